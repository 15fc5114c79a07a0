"""
WeChat's published examples of API v3 and what was derived from them; each was confirmed by another implementation.

The merchant's key is the sample key WeChat prints, given as its primes. It stands in for WeChat's own key as well.
"""

from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers

_P: Final = int(
    "d502527ee14e595463ae0dcdfeb00873f024f3805365abdbcab92a052ba84ecf62fe7308fe13b3571a439ed83b071d9372d9"
    "7ab193b71a2a13c4a75cfd861a4ca722d532816de8229e9b2a110560c24302cbc1e9bd49917f200ca8bc190b887dfa3f8d89"
    "9b6ea052434c282ff9661b6ac5fe91660450cdb56e7498b8eef2110b",
    16,
)
_Q: Final = int(
    "c8874fafdbb3a8f833377e139b1f823536b5e958e1061fb3901b5744b0cb85605e218c6860d240443f7c3dbd5765dbe99196"
    "564a4ecc7da2a8dbf0e89b3cb2c81fcc6c75b001d162df26f8cbbb8c25fc82d4ccdd51234ddd5a79efd849c47909fa737862"
    "cefac9f70479538b9ef513d59d0a282748591753d4b822f97d62b733",
    16,
)

SERIAL_NO: Final = "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"
MCH_ID: Final = "1900007291"
NOW_S: Final = 1554208460
NONCE: Final = "593BEC0C930BF1AFEB40B4A08C8FB242"
T9_BODY: Final = (
    '{"appid":"wxd678efh567hg6787","mchid":"1900007291","description":"Image形象店-深圳腾大-QQ公仔","out_trade_no"'
    ':"1217752501201407033233368018","notify_url":"https://www.weixin.qq.com/wxpay/pay.php","amount":{"to'
    'tal":100,"currency":"CNY"},"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}'
)
T9_ORDER_SIGNATURE: Final = (
    "jnks4dlrPw3ZX+ozVvSK39oa0t7OMBsg83BHAwd8BRdUFiVaQNTLTvci+wURgP1OQBbKYhFGvt7iqYpDSTQkp7Uq1sltaQKyncCy"
    "rA1g88m5bsKERQfPyT0ahSwKTYJ1CAn9QiJuSJRq1QsQs07eehbU/k9BCS51jTyc1Jpsi2H77HF9f/BnjXAOP3/sPObg6V5Ee4Ez"
    "wLox684hhuMuIwHo7D8KFk3LIHOKDcNI4It1aCXydFWNpNK+SG86VUDe5kwoDpw4Ulqfu9z8OFDGbDs9TCxEv8iqQzbpxOlEVoOe"
    "2kalSYM5kApQb3nZcxdUtoE0liJGW3RGUNE0t4v01A=="
)
T9_JSAPI_PAYSIGN: Final = (
    "mI35pfNEQV6777ke/1T+LJLQDNTm7yeoUJH+j/adPGhmCCi0PbgkvYQTRcXH0uibcLVtvFLdGLpmoYO9FV6lBBsTAjuhh5YOvQi0"
    "e2g3e0yytitiNET9FEuqM0pjnKfRW4K6LIZDdbWJv9KhZUx3DrJa5TL7OJ7VdADVivxVySIlPVKjGwuCXzuXSJes0UcILgWQUMyh"
    "a5/3nYofuHtS7r+KYyMuxD+oJ9VM1Qdxk4UIG59CP5Y3wtYIFybyF3bdu1caHTRRX+DLyMXyYA/IrTmiW01c4RPjpHBX5Dk1sZyY"
    "1zVsWNsvMHr2e1NTWtBxKJ+qk5N61J7caYoepHFaxw=="
)
T9_APP_SIGN: Final = (
    "gXx9KhTP6IooKV1SuG3OCGlBIgZbKtubCZvnau6khw1iffvNT28IzLbKmztq2xA/RCNbZa1XOsoiuVmAEeTZQicWfhv4P+O4oBRI"
    "rx0X9f3cnWFkMBU9alTWs0nyQ1N9fcILOTe0f4kxOhVh+/Xhn5hOiUK7Sz3XA1mcpa3R2NCWf/e+0ow/RDf15iTymOHgDrEkT/ge"
    "dg/3E0iXfDX3mFicSZhrHESZDOTXcl9RzELREBUFznd/o2NQM99WcL86m23HY0cTy+QGWU4QDmNrbQ9ihmLW71qPb0Cx/d7EQvw/"
    "Kyx0A6s64ZQp3hHdcmiRcLnjVXrKCk7LShaCK+lS3Q=="
)
T9_GET_SIGNATURE: Final = (
    "o3IoSsj9sJzuKxBy/VslNKrSlXoN1fKYXPSkGLsO82ThLVmTD3//3tYP76eca53mB/VHvBpkUCdWspx3CcfUhwbIO88MkFUdly4q"
    "psaIUkmhn5sDBzLw2HViTsqO2eAz5ulfOm+RR0hf+44PhQ/e636U0/i6kEdAu+m9l2FROidS8xc8a1JpiFtNTGCp8xE74PEtPcLt"
    "l6EF9jK3Oh7JTn/+RzbbaqyVr++6To9CNcPlFTEmXVseZ0IbDNDh5b1x/8VpSwwlSWi0DvhP1J89g5VUX+83iIurQC97rVA5yViD"
    "Dn+OeTkaE+zLo6RPL27ylneBhTLgYnDTifob8omn+Q=="
)

T10_KEY: Final = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"
T10_NONCE: Final = "uluk4a9R25RW"
T10_ASSOCIATED_DATA: Final = "associatedData"
T10_CIPHERTEXT: Final = "ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI="
T10_PLAINTEXT: Final = "message"

T11_SERIAL: Final = "D7CE59D1F522D701"
T11_TIMESTAMP: Final = "1624523846"
T11_NONCE: Final = "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBz"
T11_APIV3_KEY: Final = "testMchAPIv3Key0"
T11_BODY: Final = (
    '{"id":"3119dfba-e649-5eec-ab1e-3412bc4d2e17","create_time":"2021-06-24T16:37:26+08:00","resource_typ'
    'e":"encrypt-resource","event_type":"PAYSCORE.USER_OPEN_SERVICE","summary":"签约成功","resource":{"origin'
    'al_type":"payscore","algorithm":"AEAD_AES_256_GCM","ciphertext":"YDS3lKPaC4Y52Gf3uhft5qUBlIa8b428AWT'
    "tTauHQfQrRw+X1WpiuHIDy0vo1Vd6VEq67aVyqPdDYMkRVSDaZL3iZttevRMOoPKMifozg6XPWjIZumks/GpT48lI4NizyeaqLBo"
    "kNebthah3o1H76qSlO9NkDjp9bzmKLEYYH9TEklFUpsvPqOTOcgSLgh21YJXYR7dEBXFgRLiNIKRgO5JdXh1hccRUAlyVWxE54PX"
    'pnQ==","associated_data":"payscore","nonce":"Kj7QIyUiYx1q"}}'
)
T11_SIGNATURE: Final = (
    "tJHIiIS9eB2hAYstmAmbbD3ZE5LiIm/Ug5tuL4fC0YOFRWIHV39UFIZXC0e9Wl6lBu6sKvkqDkzpqzBsVHyXFlbYZTOQrVdG4b6L"
    "fTnK4mikv9++ixJMd3vTf2yCqvBkh98zs3Ds5zsYQakzbcwhmw4fMJs4nPLws28H0UW9FjDR//rxELLwXvV1VEA1IBLX70xptjL8"
    "hrfUjEE8kkry6yNJTHZRU8CAc7qHli2Ng1V1qb9ARbK8A3ThmFmPQvRGrapI/jS2laKKgYUmfdEdkNO6B2Cke5e8VTxY406ArAmQ"
    "90GAihDwIcb16TQMnzCMBoutnwZKNiKRACrFmtxw2Q=="
)
T11_PLAINTEXT: Final = (
    '{"mchid":"1234567890","appid":"054aa7d7a2a54ab5898df65bd96f001c","create_time":"2020-06-30T12:12:00+'
    '08:00","out_contract_code":"21640bdbd08e473e828f3206a2741c6e"}'
)
T11_PUBLIC_KEY_DER_BASE64: Final = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2VCTd91fnUn73Xy9DLvt/V62TVxRTEEstVdeRaZ3B3leO0pldE806mXO"
    "4RwdHXagHQ4vGeZN0yqm++rDsGK+U3AH7kejyD2pXshNP9Cq5YwbptiLGtjcquw4HNxJQUOmDeJf2vg6byms9RUipiq4SzbJKqJF"
    "lUpbuIPDpSpWz10PYmyCNeDGUUK65E5h2B834uxl1zNLYQCrkdBzb8oUxwYeP5a2DNxmjL5lsJML7DGr5znsevnoqGRwTm9fxCGf"
    "y8wus7hwKz6clt3Whmmda7UAdb1c08hEQFVRbF14AR73xbnd8N0obCWJPCbzMCtkaSef4FdEEgEXJiw0VAJT8wIDAQAB"
)

T12_TIMESTAMP: Final = "1795249454"
T12_NONCE: Final = "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBz"
T12_BODY: Final = (
    '{"id":"3a5c8c5e-51b7-5bd3-9f2a-0b1c2d3e4f50","create_time":"2026-11-21T16:24:14+08:00","resource_typ'
    'e":"encrypt-resource","event_type":"TRANSACTION.SUCCESS","summary":"支付成功","resource":{"original_type'
    '":"transaction","algorithm":"AEAD_AES_256_GCM","ciphertext":"ZiFG86Z5OdDQHZ0FtvC2kpyM7AMidEhi/iiYkiu'
    "BYOHKvl7gyQ2QHeBcq9lDfat9zbgrvqvu2u5/HUGe2r2t+XAih5LtBXJ5LjJicODmvTFZ/znpUVYNF/OVDuztmeWcJn0okaiLQFX"
    "y3lXkT6xFIQzEElI1bXzxYEQ1FU2LcBjyRCcjB+RS53HArlVsDEdGQQswwvOUu2FBd8wyvm+CQCTdsMzOXaznHb0TIcsmVH0KsmK"
    "SIiyPNXeldaB0ROEFEIf1qr5/P7IBUIrxVMNMAR5Ys1JOzxss4Q/PAiaP6mMOjs2RYqDNH/5ZZxc3SqakriyIpGO9cQyNhYA0XQH"
    "Gov3S3Z4diBddh8ArGkxohvncemysnTRBRRGbQ6FROqTLWAUZ2iTzr3LkojZcAClPo7/4R/mi37xE7+VOm0Ma/2r6pC/dT6AWNJx"
    "Axp+4wXF1wWsFWDiF6I97hG4phundB4Nxm6/cOSs8Y3xgteOFFJ5hBgfnCGN6QJZ989CzvziI/9mpdgZsvwrn5coH7atQA5i+13S"
    'd9Ux99IOh9uJCNyvAQhhsgWMJ4GLXBNga8M69Nf7WfznnrLI=","associated_data":"transaction","nonce":"Kj7QIyUi'
    'Yx1q"}}'
)
T12_BODY_SHA256: Final = "920209b294d804042e6d0d618c7fe4c7b71b5dbd46a6beb90589f6824d52e6c6"
T12_SIGNATURE: Final = (
    "P0Tu0+rAq93jzaDI+6zKft8SbKuDKrxxmQi7D9GDPKhiouJj3MypkPLagis/6wmUPvjgON7rptxvV1hXXGB1tURLmA9Ol14etegI"
    "/ZwIhsnFi1/1CnfC16Fh/CI/bH+pJFMe7l8HBkuowTsc4iFvO5gNetn4bp9osIE38FPTRXD/s8quneXHFize3hqVFyIIA9rdqsgL"
    "fwLNJidDsxu44wHt3SStePv4kc32bFFLDdbjA2jr+hHZfENtmR77ieYq43zlR1jPTa8GgzE7zI/kiO16W1oyoDpPdkTs6jLtLlMG"
    "EY7zkV4ebACCHh4AF8LbPpnnYi4rFIIJlOI/8WcIRg=="
)
T12_PLAINTEXT: Final = (
    '{"mchid":"1900007291","appid":"wxd678efh567hg6787","out_trade_no":"PAY20261121000000001","transactio'
    'n_id":"4200000215202611210261405420","trade_type":"JSAPI","trade_state":"SUCCESS","trade_state_desc"'
    ':"支付成功","bank_type":"OTHERS","attach":"","success_time":"2026-11-21T16:24:13+08:00","payer":{"openid'
    '":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"amount":{"total":1000,"payer_total":980,"currency":"CNY","payer_c'
    'urrency":"CNY"}}'
)
T12_SIGNATURE_FOR_204_EMPTY_BODY: Final = (
    "kvWi7xNHEgElXuX0o1MHgAWXYdOe3z93dTbkOQqtmW3O66k6h+eqGRnp26U0cFTuNAtyP91hZnZkdAYD4c07Ih2WKfIWDXt9Dz4B"
    "aKE6QHaVuDKzIMY7D1fe0BYFOJovZBdQ23W1lPUcJRUcM4qaHNDXn0T1eyRO0BCVgqpGYU0qEehxuWMqP/v76D+rqG+/nImBf0em"
    "YiKouWM1+vRcT1/H7PM05f13ZguyfLgzsMh1yk42EjSmSAm47Shx9kW3PFxDaZq2MtshT61UbKT5I3Rs7afqH39ng5EjhZ+acwMd"
    "w9hrdG0I8TvOe8vtKTeuqVgb8KcT3AkL+uqjDUmqjg=="
)


@cache  # it is proved to be a key whenever it is made
def sample_key() -> RSAPrivateKey:
    """Return the sample merchant's private key."""
    d = pow(65537, -1, (_P - 1) * (_Q - 1))
    public = RSAPublicNumbers(65537, _P * _Q)
    dp, dq, qi = d % (_P - 1), d % (_Q - 1), pow(_Q, -1, _P)
    return RSAPrivateNumbers(_P, _Q, d, dp, dq, qi, public).private_key()
