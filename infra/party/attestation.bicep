// An attestation provider of the party's own. Its rules are set by a call to the provider itself, and
// not here; until then it has Azure's default ones.
param location string
param tags object = {}
param name string

resource provider 'Microsoft.Attestation/attestationProviders@2021-06-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    publicNetworkAccess: 'Enabled'
    tpmAttestationAuthentication: 'Enabled'
  }
}

output url string = provider.properties.attestUri
