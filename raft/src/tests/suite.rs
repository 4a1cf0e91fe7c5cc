//! openraft's own conformance suite for stores, on ours.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::stores::{failures, opening};
use crate::disk::Faults;
use crate::log_store::{LogStore, Opening};
use crate::outside::Outside;
use crate::table_store::TableStore;
use crate::types::TypeConfig;

struct Stores;

impl StoreBuilder<TypeConfig, LogStore, TableStore, TempDir> for Stores {
    async fn build(&self) -> Result<(TempDir, LogStore, TableStore), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let tables =
            TableStore::open(dir.path(), Faults::default(), Outside::default(), true).unwrap();
        let log = Opening {
            anywhere: true,
            ..opening(&Faults::default(), &failures())
        };
        let log = LogStore::open(dir.path(), log).unwrap();
        Ok((dir, log, tables))
    }
}

#[test]
fn the_stores_pass_the_suite_of_openraft() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Suite::test_all(Stores)).unwrap();
}
