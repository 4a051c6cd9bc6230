// Where machines stand: no way in, and out only to what a runner talks to.
//
// All leave by one address, which parties may let through their firewalls.
param location string
param tags object = {}
param name string
param privateNetwork bool = true

var clusterSubnet = 'cluster'
// What a runner asks: tokens, attestation, parties' vaults and their storage. Its own host answers
// for identities and certificates; no rule is needed or possible for that.
var services = [
  'AzureActiveDirectory'
  'AzureAttestation'
  'AzureKeyVault'
  'Storage'
]
// Without private endpoints, the bus has a public address too.
var publicServices = privateNetwork ? services : concat(services, [
  'ServiceBus'
])
var fixedRules = [
  {
    name: 'private-endpoints'
    properties: {
      priority: 100
      direction: 'Outbound'
      access: 'Allow'
      protocol: 'Tcp'
      sourceAddressPrefix: '*'
      sourcePortRange: '*'
      destinationAddressPrefix: '10.20.2.0/24'
      destinationPortRanges: [
        '443'
        '5671'
      ]
    }
  }
  {
    name: 'nothing-else-out'
    properties: {
      priority: 4000
      direction: 'Outbound'
      access: 'Deny'
      protocol: '*'
      sourceAddressPrefix: '*'
      sourcePortRange: '*'
      destinationAddressPrefix: '*'
      destinationPortRange: '*'
    }
  }
  {
    name: 'nothing-in'
    properties: {
      priority: 4000
      direction: 'Inbound'
      access: 'Deny'
      protocol: '*'
      sourceAddressPrefix: '*'
      sourcePortRange: '*'
      destinationAddressPrefix: '*'
      destinationPortRange: '*'
    }
  }
]
var serviceRules = [for (service, i) in publicServices: {
  name: toLower(service)
  properties: {
    priority: 200 + i
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: service
    destinationPortRanges: [
      '443'
      '5671'
    ]
  }
}]
// A party's firewall lets the subnet in by its id: addresses of the same region do not reach it.
var serviceEndpoints = [
  {
    service: 'Microsoft.KeyVault'
  }
  {
    service: 'Microsoft.Storage.Global'
  }
]

resource rules 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: '${name}-runner'
  location: location
  tags: tags
  properties: {
    securityRules: concat(fixedRules, serviceRules)
  }
}

resource address 'Microsoft.Network/publicIPAddresses@2024-07-01' = {
  name: '${name}-egress'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource gateway 'Microsoft.Network/natGateways@2024-07-01' = {
  name: '${name}-egress'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 10
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.20.0.0/16'
      ]
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: '10.20.0.0/26'
          defaultOutboundAccess: false
          natGateway: {
            id: gateway.id
          }
          serviceEndpoints: serviceEndpoints
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'runner'
        properties: {
          addressPrefix: '10.20.1.0/24'
          defaultOutboundAccess: false
          natGateway: {
            id: gateway.id
          }
          networkSecurityGroup: {
            id: rules.id
          }
          serviceEndpoints: serviceEndpoints
        }
      }
      {
        name: 'private-endpoints'
        properties: {
          addressPrefix: '10.20.2.0/24'
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
      {
        name: 'containers'
        properties: {
          addressPrefix: '10.20.3.0/24'
          defaultOutboundAccess: false
          natGateway: {
            id: gateway.id
          }
          networkSecurityGroup: {
            id: rules.id
          }
          serviceEndpoints: serviceEndpoints
          delegations: [
            {
              name: 'containers'
              properties: {
                serviceName: 'Microsoft.ContainerInstance/containerGroups'
              }
            }
          ]
        }
      }
      {
        name: clusterSubnet
        properties: {
          addressPrefix: '10.20.16.0/20'
          defaultOutboundAccess: false
          natGateway: {
            id: gateway.id
          }
          serviceEndpoints: serviceEndpoints
        }
      }
    ]
  }
}

output id string = network.id
output name string = network.name
output clusterSubnetName string = clusterSubnet
output functionsSubnetId string = '${network.id}/subnets/functions'
output runnerSubnetId string = '${network.id}/subnets/runner'
output containersSubnetId string = '${network.id}/subnets/containers'
output endpointsSubnetId string = '${network.id}/subnets/private-endpoints'
output egressAddress string = address.properties.ipAddress
