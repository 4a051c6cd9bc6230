// A party's own deployment, in its own subscription: its keys, who may use them, what it logs.
//
// The operator has no part in it. The parameters come from `cleanroom party bicep-params`, the
// release policies among them. Azure makes a key with a policy and never changes it afterwards: a
// second deployment leaves the policy as it is. `cleanroom approve` sets it, and reads it back.
param location string = resourceGroup().location

@description('The party, as contracts name it.')
param party string

@description('Of the vault: 3 to 24 letters, digits and hyphens, unique in all of Azure.')
@minLength(3)
@maxLength(24)
param vaultName string

@description('For each room: its name, and the release policy of its key in base64url, exactly as cleanroom generated it.')
param rooms array

@description('Object id of the identity of the runner in this directory. Take it away, and no key is released any more.')
param runnerPrincipalId string

@description('Object id of the identity of the control plane in this directory: it lists files, and reads their ends.')
param functionsPrincipalId string

@description('Who administers the keys: an object id, and whether it is a User, a Group or a ServicePrincipal.')
param administratorPrincipalId string
param administratorType string = 'User'

@description('Subnets of the runner, by id: the firewall lets them in.')
param runnerSubnetIds array = []

@description('Subnets of the control plane, by id: they reach the storage, and not the vault.')
param functionsSubnetIds array = []

@description('Public addresses of the party itself, from which it uses its vault and storage.')
param ownAddressRanges array = []

@description('An account of its own for sealed files; otherwise they go into the one of the operator.')
param withStorage bool = true

@description('A private attestation provider. The shared ones of Azure cannot be changed by anybody here.')
param withAttestationProvider bool = false

@description('Who is told by mail of releases that were refused.')
param alertEmails array = []

var token = toLower(uniqueString(resourceGroup().id, party))
var tags = {
  cleanroom: party
}

module logs 'logs.bicep' = {
  name: 'logs'
  params: {
    location: location
    tags: tags
    name: 'log-cleanroom-${token}'
    emails: alertEmails
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  params: {
    location: location
    tags: tags
    name: vaultName
    rooms: rooms
    runnerPrincipalId: runnerPrincipalId
    administratorPrincipalId: administratorPrincipalId
    administratorType: administratorType
    subnetIds: runnerSubnetIds
    addressRanges: ownAddressRanges
    workspaceId: logs.outputs.workspaceId
  }
}

module storage 'storage.bicep' = if (withStorage) {
  name: 'storage'
  params: {
    location: location
    tags: tags
    name: 'stdrop${token}'
    runnerPrincipalId: runnerPrincipalId
    functionsPrincipalId: functionsPrincipalId
    administratorPrincipalId: administratorPrincipalId
    administratorType: administratorType
    runnerSubnetIds: runnerSubnetIds
    functionsSubnetIds: functionsSubnetIds
    addressRanges: ownAddressRanges
    workspaceId: logs.outputs.workspaceId
  }
}

module attestation 'attestation.bicep' = if (withAttestationProvider) {
  name: 'attestation'
  params: {
    location: location
    tags: tags
    name: 'attest${token}'
  }
}

output vaultUrl string = vault.outputs.url
output datasetsUrl string = withStorage ? storage.outputs.datasetsUrl : ''
output attestationUrl string = withAttestationProvider ? attestation.outputs.url : ''
