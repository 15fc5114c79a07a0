"""Each finding of the doctor in Chinese, as `doctor_words_en` has it in English."""

from collections.abc import Mapping
from typing import Final

LEVELS: Final[Mapping[str, str]] = {"ok": "正常", "by_hand": "请自查", "warning": "警告", "wrong": "错误"}
COLUMNS: Final = ("", "发现", "怎么办")

_MERCHANT: Final = "商户平台（pay.weixin.qq.com）“账户中心－API安全”"

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    # Settings
    "setting_refused": ("这样配置无法启动：{says}", "改正后再运行 doctor。"),
    "settings_fine": ("各项设置相互一致。", ""),
    "session_secret_weak": (
        "SESSION_SECRETS 中有密钥字符种类太少，登录可能被伪造。",
        "换成随机值：python -c 'import secrets; print(secrets.token_urlsafe(48))'",
    ),
    "secret_used_twice": ("{setting} 与 {other} 用了同一个密钥，泄露一个等于泄露两个。", "各用一个随机值。"),
    "public_url_private": ("外网无法访问 PUBLIC_URL {url}，收不到任何通知。", "改为好友打开的 https 地址。"),
    "public_url_port": ("PUBLIC_URL {url} 带端口，微信不向带端口的地址发通知。", "用 https 默认端口，不要写端口。"),
    "proxies_everybody": (
        "TRUSTED_PROXIES 几乎信任所有人的 X-Forwarded-For，谁都能冒充任何地址。",
        "只写自己的代理服务器地址。",
    ),
    "proxies_unnamed": (
        "PUBLIC_URL 是 https，说明前面有代理，但 TRUSTED_PROXIES 为空：所有好友看起来是同一个地址。",
        "在 TRUSTED_PROXIES 写明代理地址，并让代理设置 X-Forwarded-For。",
    ),
    "metrics_open": ("能访问 {host}:{port} 的人都能看到 /metrics。", "METRICS_HOST 改为内网地址，或用防火墙关闭端口。"),
    "metrics_public": ("任何人都能读取 {url}。", "让代理设置 X-Forwarded-For，或设置 METRICS_PORT。"),
    "processes_beyond_cores": (
        "PROCESSES 为 {processes}，而本机只有 {cores} 个核，进程会互相等待。",
        "PROCESSES 最多设为 {cores}。",
    ),
    "sign_type_md5": ("WECHAT_SIGN_TYPE 为 MD5，已不被认为安全。", "除非其他程序需要，保持 HMAC-SHA256。"),
    "wechat_host_foreign": (
        "{host} 不是微信支付的域名，它会看到每一笔支付。",
        "除非是自己的代理，WECHAT_BASE_URLS 保持默认。",
    ),
    "wechat_host_alone": ("WECHAT_BASE_URLS 只有 {host}，它不通时无人能付款。", "像默认值那样加上微信的备用域名。"),
    "refunds_impossible": (
        "没有设置 WECHAT_MCH_CERT_FILE，API v2 的支付无法退款，重复付款退不回去。",
        "下载 API 证书，设置 WECHAT_MCH_CERT_FILE 和 WECHAT_MCH_PRIVATE_KEY_FILE。",
    ),
    "reconcile_off": ("没有每日对账。", "设置 RECONCILE_DAILY_AT，例如 10:30。"),
    # Key files
    "private_key_open": ("本机其他用户可以读取 {file}。", "chmod 600 {file}"),
    "private_key_unusable": (
        "{file} 不是无密码、2048 位以上的 PEM 格式 RSA 私钥。",
        "使用证书工具生成的 apiclient_key.pem。",
    ),
    "certificate_fine": ("{file} 与私钥、序列号相符，{ends_on} 到期。", ""),
    "certificate_unusable": ("{file} 不是 PEM 证书。", "使用 apiclient_cert.pem，不是 .p12 文件，也不是私钥。"),
    "certificate_of_another_key": ("WECHAT_MCH_PRIVATE_KEY_FILE 不是 {file} 的私钥。", "两个文件要取自同一次下载。"),
    "serial_of_another_certificate": (
        "WECHAT_MCH_SERIAL 是 {set}，而证书的序列号是 {serial_no}。",
        "如果证书是在用的那张，把 WECHAT_MCH_SERIAL 改为 {serial_no}。",
    ),
    "certificate_not_yet": ("{file} 在 {begins_on} 之前无效。", "检查本机时钟和文件。"),
    "certificate_over": (
        "{file} 已于 {ends_on} 到期，微信拒绝退款和用它签名的请求。",
        f"在{_MERCHANT}申请新证书，证书、私钥、序列号一起更换。",
    ),
    "certificate_ends_soon": ("{file} 将于 {ends_on} 到期。", f"在{_MERCHANT}申请新证书；到期前两张都有效。"),
    "public_key_unusable": (
        "{file}（{id}）不是 PEM 格式的 RSA 公钥。",
        "使用微信支付公钥 pub_key.pem，不是自己的密钥，也不是证书。",
    ),
    # WeChat Pay
    "host_fine": ("{host} 有响应。", ""),
    "host_silent": ("{host} 没有响应。", "允许本机访问它的 https，并检查域名解析。"),
    "backup_host_silent": ("备用域名 {host} 没有响应。", "允许本机访问它的 https。"),
    "clock_fine": ("本机时钟与微信一致（快 {ahead_s} 秒）。", ""),
    "clock_off": ("本机时钟比微信快 {ahead_s} 秒。", "打开时间同步（NTP）。"),
    "clock_wrong": (
        "本机时钟比微信快 {ahead_s} 秒；相差 300 秒起，双方互不接受签名。",
        "打开时间同步（NTP），再运行 doctor。",
    ),
    "clock_unproved": ("微信的应答没有时间可比对。", "确认时间同步（NTP）已打开。"),
    "v2_fine": ("API v2 接受商户号、密钥和 {setting} {appid}。", ""),
    "v2_key_wrong": (
        "微信不接受我们的 API v2 签名（{says}）。",
        f"把{_MERCHANT}设置的 APIv2 密钥放在 WECHAT_API_KEYS 的第一个，并核对 WECHAT_MCHID。",
    ),
    "v3_fine": ("API v3 接受我们的签名，应答由我们认识的密钥签名。", ""),
    "v3_signature_refused": (
        "微信不接受我们的 API v3 签名（{says}）。",
        "WECHAT_MCHID、WECHAT_MCH_SERIAL、WECHAT_MCH_PRIVATE_KEY_FILE 必须属于同一商户的同一张证书。",
    ),
    "v3_key_fine": ("我们的 APIv3 密钥能解开微信的平台证书。", ""),
    "v3_key_wrong": (
        "WECHAT_API_V3_KEYS 中没有密钥能解开微信加密的内容，所有通知都会被拒绝。",
        f"把{_MERCHANT}设置的 APIv3 密钥放在 WECHAT_API_V3_KEYS 的第一个。",
    ),
    "v3_key_unproved": (
        "该商户使用微信支付公钥，没有平台证书，因此还看不出 WECHAT_API_V3_KEYS 是否正确。",
        "付一分钱试试：通知因 SealBroken 被拒绝，就说明不正确。",
    ),
    "public_key_missing": (
        "该商户没有平台证书，WECHAT_PUBLIC_KEYS 又为空，微信的任何应答都无法验证。",
        f"在{_MERCHANT}下载微信支付公钥，设置 WECHAT_PUBLIC_KEYS 为 PUB_KEY_ID_…=文件。",
    ),
    "public_key_id_wrong": (
        "微信用 {serial_no} 签名，它既不在 WECHAT_PUBLIC_KEYS 里，也不是平台证书。",
        f"把{_MERCHANT}的公钥 ID 与 WECHAT_PUBLIC_KEYS 核对。",
    ),
    "public_key_of_another": ("{serial_no} 的文件不是微信签名所用的公钥。", f"在{_MERCHANT}重新下载微信支付公钥。"),
    "answers_unproved": ("没有微信的密钥可用来验证应答。", "先改正其他问题。"),
    "appid_bound": ("{setting} {appid} 已与商户号绑定。", ""),
    "appid_not_bound": (
        "{setting} 没有与 WECHAT_MCHID 绑定（{says}）。",
        "在商户平台“产品中心－AppID账号管理”关联，并在该账号的平台确认。",
    ),
    "appid_unknown": ("微信不认识 {setting}（{says}）。", "从该账号的平台复制 appid。"),
    "appid_unproved": (
        "该商户没有开通 Native 支付，无法试出 appid 是否绑定。",
        "在商户平台“产品中心”查看 WECHAT_APPID 是否已关联。",
    ),
    "mchid_unknown": ("微信不认识 WECHAT_MCHID（{says}）。", "核对商户号：十位数字。"),
    "permission_missing": ("微信不允许 {setting} 这样调用（{says}）。", "在商户平台开通产品，或完成账号认证。"),
    "wechat_refused": ("微信拒绝了 {call}：{word}（{says}）。", "在该接口的微信文档中查这个错误码。"),
    "wechat_not_believed": (
        "{call} 的应答签名不正确（{reason}）。",
        "确认没有代理改动应答，并且密钥属于该商户。",
    ),
    "wechat_silent": ("{says}。", "再运行一次 doctor；若仍如此，检查本机到微信的网络。"),
    # Official account and mini-program
    "official_account_fine": ("公众号的 appid 和 AppSecret 正确。", ""),
    "app_secret_wrong": ("微信不接受 {setting} 的密钥（{says}）。", "在该账号的平台重置 AppSecret，并更新设置。"),
    "app_secret_frozen": ("{setting} 的密钥已被冻结。", "在该账号的平台解冻。"),
    "address_not_listed": ("本服务器的地址不在 IP 白名单（{says}）。", "在公众平台“基本配置－IP白名单”加入。"),
    "template_fine": ("模板属于该账号。", ""),
    "template_unknown": ("WECHAT_TEMPLATE_ID 不是该账号的模板（{says}）。", "从公众平台“模板消息”复制模板 ID。"),
    "template_fields_wrong": (
        "WECHAT_TEMPLATE_FIELDS 与模板不符（{says}）。",
        "字段名要与模板一致，内容要符合字段类型。",
    ),
    "template_unproved": (
        "WECHAT_TEMPLATE_ID 是否正确，要真正发一条消息才知道。",
        "离开页面，让好友为你付一次款。",
    ),
    "miniprogram_fine": ("小程序的 appid 和 AppSecret 正确。", ""),
    # What WeChat finds here
    "notify_fine": ("{url} 的应答符合微信的要求。", ""),
    "notify_redirected": (
        "{path} 返回 {status} 跳转，微信不会跟随，所有通知都会丢失。",
        "PUBLIC_URL 改为跳转后的地址，或不要跳转 /wechat/。",
    ),
    "notify_not_ours": (
        "{path} 返回 {status}，不是 daifu 的应答，所有通知都会丢失。",
        "让代理把 /wechat/ 转给 daifu，不要加登录，并确认 daifu 在运行。",
    ),
    "front_door_tls": ("{url} 的证书无效，微信不会发通知。", "安装受信任机构签发的、域名相符的完整证书链。"),
    "front_door_shut": ("从本机访问不到 {url}（{reason}）。", "检查域名、防火墙和代理，并确认 daifu 在运行。"),
    "not_running": ("{url} 没有程序在运行。", "启动 daifu，再运行 doctor。"),
    "sockets_fine": ("WebSocket 可以连通。", ""),
    "sockets_cut": (
        "WebSocket 握手返回 {status}，页面只能用较慢的方式更新。",
        "让代理用 HTTP/1.1 把 /ws/ 下的 Upgrade 和 Connection 头转给 daifu。",
    ),
    "verification_fine": ("/{name} 可以访问。", ""),
    "verification_hidden": (
        "/{name} 与 WECHAT_VERIFY_FILES 中的文件不一致，微信会拒绝该域名。",
        "让代理把它转给 daifu；改过设置后要重启 daifu。",
    ),
    "domains_to_enter": (
        "填了哪些域名，无法向微信查询。",
        (
            "商户平台：支付授权目录 {directory}。公众号：网页授权域名和 JS 接口安全域名 {host}，"
            "校验文件写入 WECHAT_VERIFY_FILES。"
        ),
    ),
    # Stores and machine
    "mongo_fine": ("MongoDB 有响应，确认过的写入不会丢。", ""),
    "mongo_url_unreadable": ("MONGODB_URL 无法解析。", "写成 mongodb://user:password@host1,host2/daifu?replicaSet=…"),
    "mongo_silent": ("MongoDB 没有响应（{reason}）。", "确认它在运行、有主节点、网络可达。"),
    "mongo_forbidden": ("MongoDB 不允许这个用户操作。", "授予他该数据库的 readWrite 角色。"),
    "mongo_alone": ("MONGODB_URL 是单机，确认过的写入可能丢失。", "改成副本集（至少一个成员，最好三个）。"),
    "mongo_few_members": ("副本集只有 {members} 个成员，坏一个就不能写。", "用三个成员。"),
    "mongo_old": ("MongoDB 低于 8.0，每次写入都单独发送。", "方便时升级。"),
    "mongo_index_other": (
        "{collection} 中的 {index} 不是 daifu 的同名索引，daifu 无法启动。",
        "删除它，daifu 下次启动会自己建立。",
    ),
    "redis_fine": ("Redis 有响应。", ""),
    "redis_silent": ("Redis 没有响应（{reason}）。", "确认它在运行、网络可达。"),
    "redis_forbidden": ("Redis 不接受这个用户或密码。", "改正 REDIS_URL。"),
    "redis_replica": ("REDIS_URL 指向只读副本，不能写。", "改为主节点。"),
    "redis_old": ("Redis {version} 太旧，地址中不能有用户。", "使用 Redis 6 以上。"),
    "redis_keeps_all": (
        "Redis 限制了内存且为 noeviction，满了以后无法登录。",
        "设置 maxmemory-policy allkeys-lru，其中没有必须保留的数据。",
    ),
    "sqlite_fine": ("{file} 可以使用。", ""),
    "sqlite_refused": ("daifu 不能用这个文件启动：{reason}。", "按提示处理，或从备份恢复。"),
    "data_dir_not_writable": ("运行 daifu 的用户不能写 DATA_DIR {folder}。", "把目录交给他：chown、chmod 700。"),
    "data_dir_open": ("本机其他用户可以写 DATA_DIR {folder}。", "chmod 700 {folder}"),
    "disk_nearly_full": ("{folder} 所在磁盘只剩 {free_mib} MiB，满了就不能记录支付。", "清理磁盘。"),
    "open_files_few": (
        "一个进程最多打开 {limit} 个文件，而 WATCH_MAX_PER_PROCESS 为 {wanted}，部分页面会被拒绝。",
        "提高 LimitNOFILE（systemd）或 ulimit -n，或调低 WATCH_MAX_PER_PROCESS。",
    ),
}
