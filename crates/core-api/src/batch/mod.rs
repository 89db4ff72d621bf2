// SPDX-License-Identifier: Apache-2.0
//! batch/v1 and v1beta1: jobs and cron jobs.

mod cronjobs;
mod jobs;
pub(crate) mod schedule;

use apimachinery::resource::Resource;

use crate::Parts;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![jobs::resource(parts), cronjobs::resource(parts)]
}
