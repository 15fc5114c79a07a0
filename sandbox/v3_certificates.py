"""API v3's list of platform certificates, each sealed with the merchant's API v3 key."""

from typing import Any

from sandbox import v3_signing
from sandbox.rsa_keys import KeyPair
from sandbox.v3_errors import V3Refused
from sandbox.v3_transaction import rfc3339
from sandbox.v3_web import V3GetHandler


class CertificatesHandler(V3GetHandler):
    """A merchant who has moved to WeChat Pay's public key has none."""

    def act(self, *names: str) -> dict[str, Any]:
        platform = self.world.keys.platform
        if platform.mode == "public_key":
            raise V3Refused("RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")
        return {"data": [self._sealed(pair) for pair in platform.certificates]}

    def _sealed(self, pair: KeyPair) -> dict[str, Any]:
        certificate = pair.certificate()
        api_v3_key = self.world.merchant.api_v3_key
        return {
            "serial_no": pair.serial,
            "effective_time": rfc3339(certificate.not_valid_before_utc.timestamp() * 1000),
            "expire_time": rfc3339(certificate.not_valid_after_utc.timestamp() * 1000),
            "encrypt_certificate": v3_signing.encrypt(
                pair.certificate_pem.encode(), api_v3_key, associated_data="certificate"
            ),
        }
