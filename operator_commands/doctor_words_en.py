"""Each finding of the doctor in English: what it means, and what to do; `{…}` are filled from its facts."""

from collections.abc import Mapping
from typing import Final

LEVELS: Final[Mapping[str, str]] = {"ok": "ok", "by_hand": "look yourself", "warning": "warning", "wrong": "WRONG"}
COLUMNS: Final = ("", "what was found", "what to do")

_MERCHANT: Final = "in the merchant platform (pay.weixin.qq.com), under account centre, API security"

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    # Settings
    "setting_refused": ("daifu does not start with this: {says}", "Put this setting right, then run the doctor again."),
    "settings_fine": ("The settings go together.", ""),
    "session_secret_weak": (
        "SESSION_SECRETS holds a secret of few different characters: logins could be forged.",
        "Take a random one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
    ),
    "secret_used_twice": (
        "{setting} and {other} hold the same secret: who learns one has both.",
        "Give each a random value of its own.",
    ),
    "public_url_private": (
        "PUBLIC_URL {url} cannot be reached from outside: no notify will ever arrive.",
        "Set it to the https address that friends open.",
    ),
    "public_url_port": (
        "PUBLIC_URL {url} names a port: WeChat posts no notify to an address with a port.",
        "Serve https on its usual port and leave it out.",
    ),
    "proxies_everybody": (
        "TRUSTED_PROXIES believes X-Forwarded-For from nearly everybody: anybody can claim any address.",
        "Name the addresses of your own proxies only.",
    ),
    "proxies_unnamed": (
        (
            "PUBLIC_URL is https, so a proxy stands before daifu, and TRUSTED_PROXIES is empty: all friends seem to be"
            " one address, for the limits and for WeChat."
        ),
        "Name the proxy's address in TRUSTED_PROXIES, and have it set X-Forwarded-For.",
    ),
    "metrics_open": (
        "/metrics is open to whoever reaches {host}:{port}.",
        "Set METRICS_HOST to an address of the inner network, or close the port in the firewall.",
    ),
    "metrics_public": ("Anybody can read {url}.", "Have the proxy set X-Forwarded-For, or set METRICS_PORT."),
    "processes_beyond_cores": (
        "PROCESSES is {processes} and this machine has {cores} cores: they wait for each other.",
        "Set PROCESSES to {cores} at most.",
    ),
    "sign_type_md5": (
        "WECHAT_SIGN_TYPE is MD5, which is no longer thought safe.",
        "Leave it at HMAC-SHA256 unless another program needs MD5.",
    ),
    "wechat_host_foreign": (
        "{host} is none of WeChat Pay's hosts: it is shown every payment.",
        "Leave WECHAT_BASE_URLS at its default unless this is a proxy of your own.",
    ),
    "wechat_host_alone": (
        "WECHAT_BASE_URLS names {host} alone: when it is down nobody can pay.",
        "Add WeChat's backup host, as the default does.",
    ),
    "refunds_impossible": (
        "WECHAT_MCH_CERT_FILE is not set: payments over API v2 cannot be refunded, and second payments stay.",
        "Download the API certificate and set WECHAT_MCH_CERT_FILE and WECHAT_MCH_PRIVATE_KEY_FILE.",
    ),
    "reconcile_off": (
        "Days are not compared with WeChat's bill.",
        "Set RECONCILE_DAILY_AT, such as 10:30.",
    ),
    # Key files
    "private_key_open": ("Others on this machine can read {file}.", "chmod 600 {file}"),
    "private_key_unusable": (
        "{file} is no RSA private key in PEM of 2048 bits or more without a password.",
        "Use apiclient_key.pem as the merchant platform's tool made it.",
    ),
    "certificate_fine": ("{file} belongs to its key and its serial number; it ends on {ends_on}.", ""),
    "certificate_unusable": (
        "{file} is no certificate in PEM.",
        "Use apiclient_cert.pem, not the .p12 file and not the key.",
    ),
    "certificate_of_another_key": (
        "WECHAT_MCH_PRIVATE_KEY_FILE is not the key of {file}.",
        "Take both files from the same download.",
    ),
    "serial_of_another_certificate": (
        "WECHAT_MCH_SERIAL is {set}, the certificate's serial number is {serial_no}.",
        "Set WECHAT_MCH_SERIAL to {serial_no}, if the certificate is the one in force.",
    ),
    "certificate_not_yet": ("{file} is not valid before {begins_on}.", "Check this machine's clock and the file."),
    "certificate_over": (
        "{file} ended on {ends_on}: WeChat refuses refunds and everything signed with it.",
        f"Apply for a new certificate {_MERCHANT}, and change file, key and serial number together.",
    ),
    "certificate_ends_soon": (
        "{file} ends on {ends_on}.",
        f"Apply for a new certificate {_MERCHANT}; both are valid until then.",
    ),
    "public_key_unusable": (
        "{file}, said to be {id}, is no RSA public key in PEM.",
        "Use pub_key.pem of WeChat Pay: neither your own key nor a certificate.",
    ),
    # WeChat Pay
    "host_fine": ("{host} answers.", ""),
    "host_silent": (
        "{host} does not answer.",
        "Let this machine open https to it, and see whether its name can be looked up here.",
    ),
    "backup_host_silent": ("The backup host {host} does not answer.", "Let this machine open https to it."),
    "clock_fine": ("This machine's clock is right by WeChat's ({ahead_s} s ahead).", ""),
    "clock_off": ("This machine's clock is {ahead_s} s ahead of WeChat's.", "Turn on time synchronisation (NTP)."),
    "clock_wrong": (
        "This machine's clock is {ahead_s} s ahead of WeChat's: from 300 s on both refuse each other's signatures.",
        "Turn on time synchronisation (NTP), then run the doctor again.",
    ),
    "clock_unproved": ("WeChat's answer gave no time to compare with.", "See that time synchronisation (NTP) is on."),
    "v2_fine": ("API v2 takes merchant number, key and {setting} {appid}.", ""),
    "v2_key_wrong": (
        "WeChat does not take our API v2 signature ({says}).",
        f"Put the API v2 key that is set {_MERCHANT}, first in WECHAT_API_KEYS. Is WECHAT_MCHID that merchant's?",
    ),
    "v3_fine": ("API v3 takes our signature, and its answers are signed by a key we know.", ""),
    "v3_signature_refused": (
        "WeChat does not take our API v3 signature ({says}).",
        "WECHAT_MCHID, WECHAT_MCH_SERIAL and WECHAT_MCH_PRIVATE_KEY_FILE must be of one merchant and one certificate.",
    ),
    "v3_key_fine": ("An API v3 key of ours opens WeChat's certificates.", ""),
    "v3_key_wrong": (
        "No key in WECHAT_API_V3_KEYS opens what WeChat encrypts: every notify would be refused.",
        f"Put the API v3 key that is set {_MERCHANT}, first in WECHAT_API_V3_KEYS.",
    ),
    "v3_key_unproved": (
        (
            "This merchant has WeChat Pay's public key and no platform certificates, so nothing shows yet whether"
            " WECHAT_API_V3_KEYS is right."
        ),
        "Pay one fen: a notify refused with SealBroken means that it is not.",
    ),
    "public_key_missing": (
        (
            "WeChat has no platform certificates for this merchant, and WECHAT_PUBLIC_KEYS is empty: nothing WeChat"
            " says can be believed."
        ),
        f"Download WeChat Pay's public key {_MERCHANT}, and set WECHAT_PUBLIC_KEYS to PUB_KEY_ID_…=file.",
    ),
    "public_key_id_wrong": (
        "WeChat signs with {serial_no}, which is neither in WECHAT_PUBLIC_KEYS nor among its certificates.",
        f"Compare the id {_MERCHANT} with WECHAT_PUBLIC_KEYS.",
    ),
    "public_key_of_another": (
        "The file of {serial_no} is not the key WeChat signs with.",
        f"Download WeChat Pay's public key again {_MERCHANT}.",
    ),
    "answers_unproved": (
        "There is no key of WeChat's to check its answers with.",
        "Put the other findings right first.",
    ),
    "appid_bound": ("{setting} {appid} is bound to the merchant number.", ""),
    "appid_not_bound": (
        "{setting} is not bound to WECHAT_MCHID ({says}).",
        "Bind the two in the merchant platform, under product centre, appid accounts; confirm it in the account.",
    ),
    "appid_unknown": ("WeChat does not know {setting} ({says}).", "Copy the appid from the account's own platform."),
    "appid_unproved": (
        "WeChat lets this merchant place no payments by code, so its appid could not be tried.",
        "Look in the merchant platform, under product centre, whether WECHAT_APPID is bound.",
    ),
    "mchid_unknown": ("WeChat does not know WECHAT_MCHID ({says}).", "Copy the merchant number: ten digits."),
    "permission_missing": (
        "WeChat allows {setting} no such call ({says}).",
        "Open the product in the merchant platform, or have the account certified.",
    ),
    "wechat_refused": (
        "WeChat refused {call}: {word} ({says}).",
        "Look the code up in WeChat's documents of this call.",
    ),
    "wechat_not_believed": (
        "What came back from {call} is not rightly signed ({reason}).",
        "See that no proxy changes answers on the way, and that the keys are this merchant's.",
    ),
    "wechat_silent": ("{says}.", "Run the doctor again; if it stays so, see what stands between here and WeChat."),
    # Official account and mini-program
    "official_account_fine": ("The official account's appid and secret are right.", ""),
    "app_secret_wrong": (
        "WeChat does not take the secret of {setting} ({says}).",
        "Reset the AppSecret in the account's platform, and set the new one.",
    ),
    "app_secret_frozen": ("The secret of {setting} is frozen.", "Unfreeze it in the account's platform."),
    "address_not_listed": (
        "This server's address is not on the account's list ({says}).",
        "Add it in the account's platform, under basic configuration, IP whitelist.",
    ),
    "template_fine": ("The template is the account's.", ""),
    "template_unknown": (
        "WECHAT_TEMPLATE_ID is not a template of this account ({says}).",
        "Copy the id from the account's platform, under template messages.",
    ),
    "template_fields_wrong": (
        "WECHAT_TEMPLATE_FIELDS does not fit the template ({says}).",
        "Name the fields as the template does, and give each a fact of its kind.",
    ),
    "template_unproved": (
        "Whether WECHAT_TEMPLATE_ID is right shows only when somebody is sent a message.",
        "Have a friend pay for you while you look away.",
    ),
    "miniprogram_fine": ("The mini-program's appid and secret are right.", ""),
    # What WeChat finds here
    "notify_fine": ("{url} answers as WeChat expects.", ""),
    "notify_redirected": (
        "{path} is answered {status}, a redirect: WeChat does not follow it, and every notify is lost.",
        "Set PUBLIC_URL to where it leads, or take /wechat/ out of the redirect.",
    ),
    "notify_not_ours": (
        "{path} is answered {status}, and not by daifu: every notify is lost.",
        "Have the proxy pass /wechat/ on to daifu, without a login, and see that daifu runs.",
    ),
    "front_door_tls": (
        "The certificate of {url} is not valid: WeChat posts nothing there.",
        "Install the whole chain of a certificate for this name, from an authority that browsers know.",
    ),
    "front_door_shut": (
        "{url} cannot be reached from here ({reason}).",
        "See that name, firewall and proxy lead to daifu, and that it runs.",
    ),
    "not_running": ("Nothing runs at {url}.", "Start daifu, and run the doctor again."),
    "sockets_fine": ("WebSockets come through.", ""),
    "sockets_cut": (
        "A WebSocket is answered {status}: pages fall back to slower ways of watching.",
        "Have the proxy pass Upgrade and Connection on below /ws/, over HTTP/1.1.",
    ),
    "verification_fine": ("/{name} is served.", ""),
    "verification_hidden": (
        "/{name} is not served as it lies in WECHAT_VERIFY_FILES: WeChat refuses the domain.",
        "Have the proxy pass it on to daifu, and restart daifu after a change of settings.",
    ),
    "domains_to_enter": (
        "Nobody can ask WeChat which domains are entered.",
        (
            "Merchant platform: payment directory {directory}. Official account: web authorization domain and"
            " JS-interface safe domain {host}, each with its file in WECHAT_VERIFY_FILES."
        ),
    ),
    # Stores and machine
    "mongo_fine": ("MongoDB answers and keeps what it acknowledges.", ""),
    "mongo_url_unreadable": (
        "MONGODB_URL cannot be read.",
        "Write mongodb://user:password@host1,host2/daifu?replicaSet=…",
    ),
    "mongo_silent": ("MongoDB does not answer ({reason}).", "See that it runs, has a primary, and can be reached."),
    "mongo_forbidden": ("MongoDB lets this user do nothing here.", "Grant him readWrite on the database."),
    "mongo_alone": (
        "MONGODB_URL names a lone server: what it acknowledges can be lost.",
        "Make it a replica set (of one, at least; of three, better).",
    ),
    "mongo_few_members": (
        "The replica set has {members} member(s): when one is lost nothing can be written.",
        "Give it three.",
    ),
    "mongo_old": ("MongoDB is older than 8.0: every write goes alone.", "Upgrade, when it is convenient."),
    "mongo_index_other": (
        "{index} in {collection} is not daifu's index of that name: daifu does not start.",
        "Drop it; daifu makes its own at the next start.",
    ),
    "redis_fine": ("Redis answers.", ""),
    "redis_silent": ("Redis does not answer ({reason}).", "See that it runs and can be reached."),
    "redis_forbidden": ("Redis does not take this user or password.", "Put them right in REDIS_URL."),
    "redis_replica": ("REDIS_URL names a replica, which takes no writes.", "Name the primary."),
    "redis_old": ("Redis {version} is too old for users in its address.", "Run Redis 6 or newer."),
    "redis_keeps_all": (
        "Redis has a limit of memory and noeviction: full, it takes no logins.",
        "Set maxmemory-policy allkeys-lru. Nothing in it has to be kept.",
    ),
    "sqlite_fine": ("{file} can be used.", ""),
    "sqlite_refused": ("daifu does not start with this file: {reason}.", "Do what it says, or restore a backup."),
    "data_dir_not_writable": (
        "The user daifu runs as cannot write to DATA_DIR {folder}.",
        "Give him the folder: chown, chmod 700.",
    ),
    "data_dir_open": ("Others on this machine can write to DATA_DIR {folder}.", "chmod 700 {folder}"),
    "disk_nearly_full": (
        "The disk of {folder} has {free_mib} MiB left: full, no payment can be written down.",
        "Make room.",
    ),
    "open_files_few": (
        "A process may open {limit} files, and WATCH_MAX_PER_PROCESS is {wanted}: pages will be turned away.",
        "Raise LimitNOFILE (systemd) or ulimit -n, or lower WATCH_MAX_PER_PROCESS.",
    ),
}
