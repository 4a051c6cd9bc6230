// Private addresses of the operator's own services, and the zones in which their names lead there.
//
// Each zone is made once: two endpoints of one kind share it.
param location string
param tags object = {}
param networkId string
param subnetId string
param storageId string
param hostStorageId string
param serviceBusId string

var zoneNames = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.servicebus.windows.net'
]
var endpoints = [
  {
    name: 'data-blob'
    target: storageId
    group: 'blob'
    zone: 0
  }
  {
    name: 'host-blob'
    target: hostStorageId
    group: 'blob'
    zone: 0
  }
  {
    name: 'host-queue'
    target: hostStorageId
    group: 'queue'
    zone: 1
  }
  {
    name: 'host-table'
    target: hostStorageId
    group: 'table'
    zone: 2
  }
  {
    name: 'bus'
    target: serviceBusId
    group: 'namespace'
    zone: 3
  }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zoneNames: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zoneNames: {
  parent: zones[i]
  name: uniqueString(networkId)
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

resource made 'Microsoft.Network/privateEndpoints@2024-07-01' = [for endpoint in endpoints: {
  name: 'pe-${endpoint.name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        properties: {
          privateLinkServiceId: endpoint.target
          groupIds: [
            endpoint.group
          ]
        }
      }
    ]
  }
}]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (endpoint, i) in endpoints: {
  parent: made[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: endpoint.group
        properties: {
          privateDnsZoneId: zones[endpoint.zone].id
        }
      }
    ]
  }
}]
