//! Who this node is, as kept in its data directory: `node.json`, its key and certificate, the
//! cluster's CA, and, on heads, the CA's key.
//!
//! Files are written beside their place, synced and renamed; keys are readable by their owner
//! only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::ClusterId;
use model::NodeId;
use model::node::NodeRole;
use net::message::HeadAddr;
use serde::{Deserialize, Serialize};

/// Why a node does not know itself.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: io::Error,
    },
    /// `node.json` is damaged.
    #[error("{path}: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The data directory of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataDir(pub PathBuf);

/// What `node.json` says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeFile {
    /// The cluster, 32 hexadecimal digits.
    pub cluster: String,
    /// The node's id.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// Whether it is a head.
    pub head: bool,
    /// Where the heads listen, as known last.
    pub heads: Vec<(u64, String)>,
}

impl DataDir {
    /// Makes the directory, readable by its owner only.
    ///
    /// # Errors
    /// [`IdentityError::File`].
    pub fn create(&self) -> Result<(), IdentityError> {
        for dir in [self.0.clone(), self.tls(), self.attempts()] {
            let made = fs::DirBuilder::new().recursive(true).create(&dir);
            made.map_err(|source| IdentityError::File { path: dir, source })?;
        }
        Ok(())
    }

    /// Whether a node lives here already.
    pub fn is_taken(&self) -> bool {
        self.node_file().exists()
    }

    fn node_file(&self) -> PathBuf {
        self.0.join("node.json")
    }

    fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// Where the node's certificate lies.
    pub fn certificate(&self) -> PathBuf {
        self.tls().join("node.crt")
    }

    /// Where the node's key lies.
    pub fn key(&self) -> PathBuf {
        self.tls().join("node.key")
    }

    /// Where the CA's certificate lies.
    pub fn ca(&self) -> PathBuf {
        self.tls().join("ca.crt")
    }

    /// Where the CA's key lies, on heads.
    pub fn ca_key(&self) -> PathBuf {
        self.tls().join("ca.key")
    }

    /// Where the log and its tables lie, on heads.
    pub fn log(&self) -> PathBuf {
        self.0.clone()
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.redb")
    }

    /// Where attempts have their directories.
    pub fn attempts(&self) -> PathBuf {
        self.0.join("attempts")
    }

    /// Where it is written down which images were fetched with a login.
    pub fn guarded(&self) -> PathBuf {
        self.0.join("guarded-images")
    }

    /// Where the volumes of attempts are pinned.
    pub fn pins(&self) -> PathBuf {
        self.0.join("pins")
    }

    /// Reads who the node is.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(&self) -> Result<NodeFile, IdentityError> {
        let path = self.node_file();
        let text = read(&path)?;
        let parsed = serde_json::from_str(&text);
        parsed.map_err(|error| IdentityError::Malformed {
            path,
            why: error.to_string(),
        })
    }

    /// Which cluster the node is of.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn cluster(&self) -> Result<ClusterId, IdentityError> {
        self.load()?.cluster_id(&self.node_file())
    }

    /// Writes down who the node is.
    ///
    /// # Errors
    /// [`IdentityError::File`].
    pub fn save(&self, node: &NodeFile) -> Result<(), IdentityError> {
        let path = self.node_file();
        let text =
            serde_json::to_string_pretty(node).map_err(|error| IdentityError::Malformed {
                path: path.clone(),
                why: error.to_string(),
            })?;
        write(&path, text.as_bytes(), 0o644)
    }

    /// The node's identity on the wire.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn identity(&self, node: &NodeFile) -> Result<net::Identity, IdentityError> {
        let role = if node.head {
            NodeRole::Head
        } else {
            NodeRole::Agent
        };
        Ok(net::Identity {
            cluster: node.cluster_id(&self.node_file())?,
            node: NodeId(node.node),
            role,
            cert_pem: read(&self.certificate())?,
            key_pem: read(&self.key())?,
            ca_pem: read(&self.ca())?,
        })
    }
}

impl NodeFile {
    /// The file's view of an admitted node.
    pub fn new(cluster: ClusterId, node: NodeId, name: String, head: bool) -> NodeFile {
        NodeFile {
            cluster: cluster.to_string(),
            node: node.0,
            name,
            head,
            heads: Vec::new(),
        }
    }

    /// The heads' addresses in the form in which they are spoken of.
    pub fn head_addrs(&self) -> Vec<HeadAddr> {
        let heads = self.heads.iter();
        heads
            .map(|(id, addr)| HeadAddr {
                node: NodeId(*id),
                addr: addr.clone(),
            })
            .collect()
    }

    /// Replaces the heads' addresses.
    pub fn set_heads(&mut self, heads: &[HeadAddr]) {
        self.heads = heads
            .iter()
            .map(|head| (head.node.0, head.addr.clone()))
            .collect();
    }

    fn cluster_id(&self, path: &Path) -> Result<ClusterId, IdentityError> {
        let number = u128::from_str_radix(&self.cluster, 16);
        number
            .map(|number| ClusterId(number.to_be_bytes()))
            .map_err(|error| IdentityError::Malformed {
                path: path.into(),
                why: format!("cluster: {error}"),
            })
    }
}

/// Reads a text file, naming it when it fails.
///
/// # Errors
/// [`IdentityError::File`].
pub fn read(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(|source| IdentityError::File {
        path: path.into(),
        source,
    })
}

/// Replaces a file so that a crash leaves the old or the new one, never half of it.
///
/// # Errors
/// [`IdentityError::File`].
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), IdentityError> {
    let beside = path.with_extension("new");
    let wrong = |source| IdentityError::File {
        path: path.into(),
        source,
    };
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(wrong)?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(wrong)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
