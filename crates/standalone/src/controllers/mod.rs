// SPDX-License-Identifier: Apache-2.0
//! What keeps the API true to itself, inside the API server's process: the policy that requests are decided by, and
//! what every namespace has.

mod namespaces;
mod policy;

use std::time::Duration;

pub use namespaces::namespaces;
pub use policy::policy;

/// The pause before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_millis(200);

/// A watch of a whole collection that begins with what there is.
fn from_the_start(collection: &str) -> String {
    format!(
        "{collection}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    )
}
