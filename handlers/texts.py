"""The words of every error people read, in Chinese and English; `{…}` are filled from the error's detail."""

import re
from typing import Final, Literal

Language = Literal["zh-CN", "en"]

MAX_LANGUAGES: Final = 20

_WEIGHT: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")

TEXTS: Final[dict[str, dict[Language, str]]] = {
    "amount_mismatch": {
        "zh-CN": "微信返回的金额与订单不符，请联系客服。",
        "en": "WeChat reports another amount than this order's.",
    },
    "bad_request": {"zh-CN": "字段 {field}：{reason}", "en": "{field}: {reason}"},
    "bus_deaf": {"zh-CN": "实时消息中断，页面更新会慢几秒。", "en": "Live news is cut off; pages change seconds late."},
    "delivery_not_found": {
        "zh-CN": "没有这条通知，可能已过了保留期。",
        "en": "There is no such delivery; it may have been forgotten.",
    },
    "draining": {"zh-CN": "服务器正在重启。", "en": "This server is restarting."},
    "foreign_origin": {"zh-CN": "不接受来自其他网站的请求。", "en": "Requests from other sites are not accepted."},
    "idempotency_mismatch": {
        "zh-CN": "这个 Idempotency-Key 已用于另一个请求。",
        "en": "This Idempotency-Key was used with another request.",
    },
    "internal": {"zh-CN": "服务器出错了，请稍后再试。", "en": "Something went wrong on our side. Please try again."},
    "json_required": {"zh-CN": "请求体必须是 application/json。", "en": "The request body must be application/json."},
    "login_failed": {
        "zh-CN": "登录没有完成，请重新打开链接。",
        "en": "The login was not completed. Please open the link again.",
    },
    "login_snapshot": {
        "zh-CN": "当前是预览模式，请点击“使用完整服务”后再试。",
        "en": "This is a preview. Tap “Use full service” in WeChat and try again.",
    },
    "merchant_key_required": {
        "zh-CN": "请在 Authorization: Bearer 中提供有效的商户 API 密钥。",
        "en": "Send a valid merchant API key as Authorization: Bearer.",
    },
    "merchant_order_no_taken": {
        "zh-CN": "这个 merchant_order_no 已用于另一个请求。",
        "en": "This merchant_order_no was used with another request.",
    },
    "method_not_allowed": {"zh-CN": "不支持这个方法。", "en": "This method is not allowed here."},
    "no_miniprogram": {
        "zh-CN": "没有配置小程序登录。",
        "en": "No mini-program is configured here.",
    },
    "not_found": {"zh-CN": "没有这个页面。", "en": "There is nothing at this address."},
    "not_logged_in": {"zh-CN": "请先登录。", "en": "Please log in first."},
    "operator_login": {"zh-CN": "请先登录管理页。", "en": "Please log in to the dashboard first."},
    "operator_refused": {
        "zh-CN": "没有设置 ADMIN_PASSWORD：管理页只能在运行 daifu 的机器上、通过本机地址打开。",
        "en": "ADMIN_PASSWORD is not set: the dashboard opens only on the machine daifu runs on, at its local address.",
    },
    "order_conflict": {"zh-CN": "订单现在不允许这样做。", "en": "The order does not allow this."},
    "order_not_found": {"zh-CN": "没有这个订单。", "en": "There is no such order."},
    "order_not_payable": {"zh-CN": "订单已不能支付（{state}）。", "en": "This order can no longer be paid ({state})."},
    "payer_mismatch": {
        "zh-CN": "微信返回的付款人与本次支付不符。",
        "en": "WeChat reports another payer for this payment.",
    },
    "payload_too_large": {"zh-CN": "请求太大。", "en": "The request is too large."},
    "refund_not_closed": {
        "zh-CN": "退款现在是 {state}：只有被微信关闭（CLOSED）的退款才能换单号重新发起。",
        "en": "The refund is {state}: only one that WeChat closed (CLOSED) can be asked for again.",
    },
    "refund_not_stuck": {
        "zh-CN": "退款现在是 {state}：只有 ABNORMAL 或 CLOSED 的退款才能登记为线下已退。",
        "en": "The refund is {state}: only one that is ABNORMAL or CLOSED is settled by hand.",
    },
    "refund_too_large": {
        "zh-CN": "最多还能退 {left} 分，不能退 {asked} 分。",
        "en": "{left} fen are left to give back, not {asked}.",
    },
    "scope_missing": {"zh-CN": "这个 API 密钥没有 {scope} 权限。", "en": "This API key lacks the scope {scope}."},
    "share_leased": {
        "zh-CN": "有朋友正在付款，请 {retry_after_s} 秒后再试。",
        "en": "Another friend is paying just now. Try again in {retry_after_s} s.",
    },
    "store_unavailable": {"zh-CN": "系统繁忙，请稍后再试。", "en": "The service is busy. Please try again."},
    "too_many_attempts": {
        "zh-CN": "这个订单的付款次数太多了。",
        "en": "There were too many attempts to pay this order.",
    },
    "too_many_refunds": {
        "zh-CN": "一笔付款最多分 {limit} 次退款，现在只能一次退完剩下的 {left} 分。",
        "en": "A payment goes back in {limit} parts at most. Now only all {left} fen that are left can.",
    },
    "too_many_tries": {
        "zh-CN": "尝试次数太多，请 {retry_after_s} 秒后再试。",
        "en": "Too many tries. Try again in {retry_after_s} s.",
    },
    "transition_not_possible": {
        "zh-CN": "订单现在的状态不允许这样做（{state}）。",
        "en": "Not possible while the order is {state}.",
    },
    "too_many_requests": {
        "zh-CN": "操作太频繁，请 {retry_after_s} 秒后再试。",
        "en": "Too many requests. Please wait {retry_after_s} s.",
    },
    "too_many_watchers": {
        "zh-CN": "打开的页面太多了，请稍后再试。",
        "en": "Too many pages are open. Please try later.",
    },
    "wrong_password": {"zh-CN": "密码不对。", "en": "That is not the password."},
    "wechat_refused": {"zh-CN": "微信支付拒绝了请求（{code}）。", "en": "WeChat Pay refused the request ({code})."},
    "wechat_unavailable": {
        "zh-CN": "微信支付暂时没有响应，请稍后再试。",
        "en": "WeChat Pay does not answer just now. Please try again.",
    },
}

REASONS: Final[dict[str, dict[Language, str]]] = {
    "blank": {"zh-CN": "不能为空", "en": "must not be blank"},
    "control": {"zh-CN": "含有不允许的字符", "en": "contains characters that are not allowed"},
    "foreign": {"zh-CN": "不是本站的地址", "en": "is not an address of this site"},
    "day_order": {"zh-CN": "不能晚于 to", "en": "must not be later than to"},
    "duplicate": {"zh-CN": "重复出现", "en": "appears twice"},
    "invalid_json": {"zh-CN": "不是有效的 JSON", "en": "is not valid JSON"},
    "max": {"zh-CN": "不能大于 {limit}", "en": "must be at most {limit}"},
    "max_length": {"zh-CN": "不能超过 {limit} 个字符", "en": "must have at most {limit} characters"},
    "min": {"zh-CN": "不能小于 {limit}", "en": "must be at least {limit}"},
    "missing": {"zh-CN": "缺少", "en": "is missing"},
    "not_offered": {
        "zh-CN": "商户没有开通这种支付方式（可用：{offered}）",
        "en": "is not offered here; offered: {offered}",
    },
    "not_a_cursor": {"zh-CN": "不是有效的订单号", "en": "is not an order id"},
    "not_an_endpoint": {"zh-CN": "不在 WEBHOOK_URL 之中", "en": "is none of those in WEBHOOK_URL"},
    "not_a_day": {"zh-CN": "应为 yyyy-mm-dd 形式的日期", "en": "must be a day such as 2026-10-01"},
    "order_no": {
        "zh-CN": "须为 1 至 64 个字母、数字或 . _ -",
        "en": "must be 1 to 64 letters, digits or . _ -",
    },
    "shares_sum": {"zh-CN": "各份之和必须等于 amount", "en": "must add up to amount"},
    "shares_too_many": {"zh-CN": "每份至少 1 分", "en": "leaves less than 1 fen for each"},
    "too_many_days": {"zh-CN": "最多查询 {limit} 天", "en": "must be at most {limit} days before to"},
    "type": {"zh-CN": "类型不对，应为 {expected}", "en": "must be {expected}"},
    "unknown": {"zh-CN": "未知字段", "en": "is not a field of this request"},
    "unknown_user": {"zh-CN": "不是登录过的用户", "en": "is nobody who has logged in here"},
    "unreadable": {"zh-CN": "无法读取", "en": "cannot be read"},
    "unsupported": {"zh-CN": "不支持这个值", "en": "has a value that is not supported"},
}


def preferred_language(accept_language: str, cookie: str | None = None) -> Language:
    """Return the language the asker chose, else the first of `Accept-Language` we speak, else Chinese."""
    for word in (cookie or "", *_liked(accept_language)):
        if word.startswith("zh"):
            return "zh-CN"
        if word.startswith("en"):
            return "en"
    return "zh-CN"


def _liked(accept_language: str) -> list[str]:
    """Return the language tags, best first; what cannot be read as a weight counts as none (RFC 9110, 12.4.2)."""
    tags = []
    for item in accept_language.split(",")[:MAX_LANGUAGES]:
        tag, _, weight = item.partition(";")
        match = _WEIGHT.fullmatch(weight.strip())
        tags.append((float(match[1]) if match else 0.0 if weight else 1.0, tag.strip().lower()))
    return [tag for weight, tag in sorted(tags, key=lambda each: -each[0]) if weight]


def text(code: str, language: Language, detail: dict[str, object]) -> str:
    """Return the sentence for this error code; a field's `reason` code becomes words first."""
    words = dict(detail)
    reason = REASONS.get(str(detail.get("reason", "")))
    if reason is not None:
        words["reason"] = reason[language].format_map(words)
    return TEXTS[code][language].format_map(words)
