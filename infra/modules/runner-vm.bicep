// The runner as one confidential VM: AMD SEV-SNP, a virtual TPM, secure boot, no way in.
//
// - The measured image (imageId) has a read-only, verified root, no users and no agent. It reads its
//   settings from userData; which of them may be set at all is decided inside.
// - Without it, a stock image with cloud-init: a genuine machine that runs whatever the operator
//   wrote. For a first try, never for data.
param location string
param tags object = {}

@maxLength(64)
param name string

@allowed([
  'Standard_DC2as_v5'
  'Standard_DC4as_v5'
  'Standard_DC8as_v5'
  'Standard_DC16as_v5'
  'Standard_EC4as_v5'
  'Standard_EC8as_v5'
  'Standard_EC16as_v5'
  'Standard_DC4as_v6'
  'Standard_DC8as_v6'
  'Standard_EC8as_v6'
])
param vmSize string = 'Standard_DC4as_v5'
param subnetId string
param identityId string
param identityClientId string

@description('Other directories that are asked, with commas between, and as which application.')
param directoryIds string = ''
param applicationId string = ''
@description('A version of the measured image; or the word stock.')
@minLength(1)
param imageId string
param sshPublicKey string = ''

@description('For the stock image: where its root is (image/build.sh makes root.tar), and its SHA-256. It is no secret.')
param rootUrl string = ''
param rootDigest string = ''
param storageUrl string
param serviceBusNamespace string

var measured = imageId != 'stock'
// The version is fixed: another one starts with other PCRs.
var stockImage = {
  publisher: 'Canonical'
  offer: '0001-com-ubuntu-confidential-vm-jammy'
  sku: '22_04-lts-cvm'
  version: '22.04.202601280'
}
var elsewhere = empty(directoryIds) ? [] : [
  'CLEANROOM_RUNNER_DIRECTORIES=${directoryIds}'
  'CLEANROOM_RUNNER_APPLICATION=${applicationId}'
]
var settings = join(concat([
  'AZURE_CLIENT_ID=${identityClientId}'
  'CLEANROOM_RUNNER_PLATFORM=azure-cvm'
  'CLEANROOM_RUNNER_STORAGE_URL=${storageUrl}'
  'CLEANROOM_RUNNER_SERVICEBUS=${serviceBusNamespace}'
  'CLEANROOM_RUNNER_DIRECTORY=${tenant().tenantId}'
], elsewhere), '\n')
var cloudInit = replace(replace(replace(replace(loadTextContent('../runner/cloud-init.yaml'), '__SETTINGS__', base64(settings)), '__UNIT__', base64(loadTextContent('../runner/cleanroom-runner.service'))), '__URL__', rootUrl), '__DIGEST__', rootDigest)
// A machine of the measured image has nobody to log in; Azure still wants a name and a key. This one is
// made of a SHA-256, so nobody has its other half.
var keyless = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHou55QL1xHhlo6uqF7if+VxR/4/WxB5J1EK+726bfFf nobody'

resource nic 'Microsoft.Network/networkInterfaces@2024-07-01' = {
  name: '${name}-nic'
  location: location
  tags: tags
  properties: {
    enableAcceleratedNetworking: true
    ipConfigurations: [
      {
        name: 'private'
        properties: {
          privateIPAllocationMethod: 'Dynamic'
          subnet: {
            id: subnetId
          }
        }
      }
    ]
  }
}

resource machine 'Microsoft.Compute/virtualMachines@2024-11-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    hardwareProfile: {
      vmSize: vmSize
    }
    securityProfile: {
      securityType: 'ConfidentialVM'
      uefiSettings: {
        secureBootEnabled: true
        vTpmEnabled: true
      }
    }
    storageProfile: {
      imageReference: measured ? {
        id: imageId
      } : stockImage
      osDisk: {
        createOption: 'FromImage'
        deleteOption: 'Delete'
        caching: 'ReadOnly'
        managedDisk: {
          storageAccountType: 'Premium_LRS'
          securityProfile: {
            // The measured image verifies its disk, and keeps nothing on it. A stock image writes,
            // so Azure encrypts its disk with a key that only this TPM has.
            securityEncryptionType: measured ? 'VMGuestStateOnly' : 'DiskWithVMGuestState'
          }
        }
      }
    }
    osProfile: {
      computerName: 'runner'
      adminUsername: 'nobody-logs-in'
      allowExtensionOperations: false
      customData: measured ? null : base64(cloudInit)
      linuxConfiguration: {
        disablePasswordAuthentication: true
        provisionVMAgent: false
        ssh: {
          publicKeys: [
            {
              path: format('/{0}/nobody-logs-in/.ssh/authorized_keys', 'home')
              keyData: empty(sshPublicKey) ? keyless : sshPublicKey
            }
          ]
        }
      }
    }
    userData: base64(settings)
    networkProfile: {
      networkInterfaces: [
        {
          id: nic.id
          properties: {
            deleteOption: 'Delete'
          }
        }
      ]
    }
    diagnosticsProfile: {
      bootDiagnostics: {
        enabled: false
      }
    }
  }
}

output id string = machine.id
