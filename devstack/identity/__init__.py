"""The directory of the stack: tokens for identities, at the endpoint that App Service has.

`azure-identity` asks here when IDENTITY_ENDPOINT and IDENTITY_HEADER say so. The header is the
identity's secret; what it brings is a signed token for one audience. In another directory than its
own an identity is an application that trusts it: what its token brings there is the application's,
at Entra ID's own endpoint. There is no other way in: no passwords, no client secrets, no users.
"""
