"""The people in the SQLite file, and what they earned. All of it runs in a worker's thread (`sqlite_worker.py`)."""

from sqlite3 import Connection
from typing import Any

from server.domain.rewards import Reward, RewardKind
from server.domain.user import User


def remember(connection: Connection, user: User) -> User:
    sql = (
        "INSERT INTO users (openid, name, avatar, first_seen_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (openid) DO UPDATE SET name = excluded.name, avatar = excluded.avatar"
        " RETURNING openid, name, avatar, first_seen_ms, brought_by"
    )
    [row] = connection.execute(sql, (user.openid, user.name, user.avatar, user.first_seen_ms)).fetchall()
    return user_of(row)


def find(connection: Connection, openid: str) -> User | None:
    sql = "SELECT openid, name, avatar, first_seen_ms, brought_by FROM users WHERE openid = ?"
    row = connection.execute(sql, (openid,)).fetchone()
    return None if row is None else user_of(row)


def bring(connection: Connection, openid: str, brought_by: str) -> None:
    connection.execute("UPDATE users SET brought_by = ? WHERE openid = ? AND brought_by = ''", (brought_by, openid))


def grant(connection: Connection, reward: Reward) -> bool:
    sql = (
        "INSERT INTO rewards (reward_id, openid, kind, points, order_id, at_ms, taken_back_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (reward_id) DO NOTHING"
    )
    row = (
        reward.reward_id,
        reward.openid,
        reward.kind,
        reward.points,
        reward.order_id,
        reward.at_ms,
        reward.taken_back_at_ms,
    )
    return connection.execute(sql, row).rowcount == 1


def take_back(connection: Connection, reward_id: str, at_ms: int) -> None:
    sql = "UPDATE rewards SET taken_back_at_ms = ? WHERE reward_id = ? AND taken_back_at_ms IS NULL"
    connection.execute(sql, (at_ms, reward_id))


def rewards_of(connection: Connection, openid: str, limit: int) -> list[Reward]:
    sql = (
        "SELECT reward_id, openid, kind, points, order_id, at_ms, taken_back_at_ms FROM rewards"
        " WHERE openid = ? ORDER BY at_ms DESC, reward_id DESC LIMIT ?"
    )
    return [reward_of(row) for row in connection.execute(sql, (openid, limit)).fetchall()]


def user_of(row: tuple[Any, ...]) -> User:
    """Read the columns `openid, name, avatar, first_seen_ms, brought_by`."""
    openid, name, avatar, first_seen_ms, brought_by = row
    return User(openid=openid, name=name, avatar=avatar, first_seen_ms=first_seen_ms, brought_by=brought_by)


def reward_of(row: tuple[Any, ...]) -> Reward:
    """Read the columns `reward_id, openid, kind, points, order_id, at_ms, taken_back_at_ms`."""
    reward_id, openid, kind, points, order_id, at_ms, taken_back_at_ms = row
    return Reward(
        reward_id=reward_id,
        openid=openid,
        kind=RewardKind(kind),
        points=points,
        order_id=order_id,
        at_ms=at_ms,
        taken_back_at_ms=taken_back_at_ms,
    )
