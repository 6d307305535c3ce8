'use strict';
// Groups, as far as bridges ask about them before they send.
__d('WAWebGroupQueryJob', (exports) => {
  exports.queryAndUpdateGroupMetadataById = async () => {};
  exports.queryGroupInvite = async () => { throw new Error('no invites here'); };
});
__d('WAWebParticipantCollection', (exports) => {
  const Collection = require('WAWebCollection');
  exports.default = class ParticipantCollection extends Collection {
    static model = require('WAWebGroupMetadataCollection').ParticipantModel;
    iAmMember() { return true; }
  };
});
__d('WAWebUpdateDBForGroupAction', (exports) => { exports.updateDBForGroupAction = async () => {}; });
