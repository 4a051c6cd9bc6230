"""The storage service's errors, as XML, that the front gives itself."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the service: its status, code and message."""

    status: int
    code: str
    message: str
    challenged: bool = False  # whether the answer says where tokens come from

    def about_source(self) -> Self:
        """Say that it is about the source of a copy."""
        return replace(self, code="CannotVerifyCopySource", challenged=False)

    def body(self, request_id: str, now: datetime) -> bytes:
        """Spell it as the service does."""
        time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        message = f"{self.message}\nRequestId:{request_id}\nTime:{time}"
        return (
            '\ufeff<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{self.code}</Code><Message>{escape(message)}</Message></Error>"
        ).encode()


_SEE_HEADER = (
    "Server failed to authenticate the request. Please refer to the information in the"
    " www-authenticate header."
)
NO_CREDENTIALS = Refusal(401, "NoAuthenticationInformation", _SEE_HEADER, challenged=True)
INVALID_TOKEN = Refusal(401, "InvalidAuthenticationInfo", _SEE_HEADER, challenged=True)
NOT_PERMITTED = Refusal(
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
)
NOT_AUTHENTIC = Refusal(
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. Make sure the value of Authorization header is"
    " formed correctly including the signature.",
)
NOT_PUBLIC = Refusal(
    409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account."
)
NO_SOURCE = Refusal(404, "CannotVerifyCopySource", "The specified resource does not exist.")
INVALID_TARGET = Refusal(
    400, "InvalidUri", "The requested URI does not represent any resource on the server."
)
NO_LENGTH = Refusal(411, "MissingContentLengthHeader", "Content-Length HTTP header is missing")
INVALID_HEADER = Refusal(
    400,
    "InvalidHeaderValue",
    "The value for one of the HTTP headers is not in the correct format.",
)
INVALID_XML = Refusal(400, "InvalidXmlDocument", "XML specified is not syntactically valid.")
INVALID_XML_VALUE = Refusal(
    400,
    "InvalidXmlNodeValue",
    "The value for one of the XML nodes is not in the correct format.",
)
INVALID_INPUT = Refusal(400, "InvalidInput", "One of the request inputs is not valid.")
NOT_IMPLEMENTED = Refusal(
    501, "NotImplemented", "The requested operation is not implemented on the specified resource."
)
BUSY = Refusal(
    503, "ServerBusy", "The server is currently unable to receive requests. Please retry."
)
