//! What administrators and users have set: values for records and for the commands that set them.

use model::account::{Directory, Scope, SshKey, Token, TokenId};
use model::command::Who;
use model::policy::{ImageRule, Network, OverQuota, RootVolumes, Rules, Volume};
use model::project::{Grant, Project, Queue};
use model::quota::Quota;
use model::unit::{Bytes, MilliCpus, Millis, Timestamp};

pub(crate) fn token() -> Token {
    Token {
        id: TokenId("tk".into()),
        hash: [6; 32],
        user: "alice".into(),
        label: "laptop".into(),
        created_at: Timestamp(1_700_000_000_000),
        expires_at: Timestamp(1_700_000_900_000),
        scopes: [Scope::Read, Scope::Account].into(),
    }
}

/// What of it version 1 could say.
pub(crate) fn token_v1() -> Token {
    Token {
        scopes: Scope::ALL.into(),
        ..token()
    }
}

pub(crate) fn grant() -> Grant {
    Grant {
        everybody: true,
        users: ["alice".into()].into(),
        projects: ["lab".into()].into(),
    }
}

pub(crate) fn quota() -> Quota {
    Quota {
        cpu: Some(MilliCpus(1_500)),
        memory: Some(Bytes(70_001)),
        running: Some(300),
        pending: Some(301),
        cpu_time: Some(70_002),
        memory_time: Some(70_003),
        disk: Some(Bytes(70_009)),
    }
}

/// What of it versions 2 and 3 could say.
pub(crate) fn quota_v3() -> Quota {
    Quota {
        disk: None,
        ..quota()
    }
}

pub(crate) fn rules() -> Rules {
    Rules {
        user_quota: quota(),
        window_days: 31,
        over_quota: OverQuota::End,
        network: Network::Bridge,
        bridge: grant(),
        root: grant(),
        root_volumes: RootVolumes::ReadOnly,
        images: vec![ImageRule {
            allow: true,
            pattern: "docker.io/*".into(),
        }],
        output_max: Some(Bytes(70_004)),
        disk_max: Some(Bytes::mebi(9)),
        publish: grant(),
    }
}

/// What of it versions 2 and 3 could say.
pub(crate) fn rules_v3() -> Rules {
    Rules {
        user_quota: quota_v3(),
        disk_max: None,
        publish: Grant::default(),
        ..rules()
    }
}

pub(crate) fn project() -> Project {
    Project {
        name: "lab".into(),
        description: "genomes".into(),
        everybody: true,
        members: ["alice".into()].into(),
        managers: ["bob".into()].into(),
        shared: true,
        closed: true,
        priority: 60,
        quota: quota(),
        created_at: Timestamp(1_700_000_000_000),
    }
}

/// What of it versions 2 and 3 could say.
pub(crate) fn project_v3() -> Project {
    Project {
        quota: quota_v3(),
        ..project()
    }
}

pub(crate) fn queue() -> Queue {
    Queue {
        name: "night".into(),
        description: "long jobs".into(),
        who: grant(),
        accepts: true,
        starts: true,
        wall_max: Some(Millis(300)),
        wall_default: Some(Millis(301)),
        cpu_max: Some(MilliCpus(302)),
        memory_max: Some(Bytes(303)),
        running_per_user: Some(304),
        pending_per_user: Some(305),
    }
}

pub(crate) fn directory() -> Directory {
    Directory {
        name: "ldap".into(),
        settings: "{}".into(),
        sealed: vec![1, 2, 3],
        life: Millis(300_000),
    }
}

pub(crate) fn ssh_key() -> SshKey {
    SshKey {
        user: "alice".into(),
        fingerprint: "SHA256:ab".into(),
        key: "ssh-ed25519 AAAA".into(),
        label: "laptop".into(),
        created_at: Timestamp(1_700_000_000_000),
    }
}

pub(crate) fn who() -> Who {
    Who {
        user: "alice".into(),
        token: "tk".into(),
        from: "10.0.0.1".into(),
    }
}

pub(crate) fn volume() -> Volume {
    Volume {
        name: "genomes".into(),
        host_path: "/srv/genomes".into(),
        mount_path: "/data/genomes".into(),
        writable: true,
        who: grant(),
    }
}

/// What of it version 1 could say.
pub(crate) fn volume_v1() -> Volume {
    Volume {
        who: Grant::to_all(),
        ..volume()
    }
}
