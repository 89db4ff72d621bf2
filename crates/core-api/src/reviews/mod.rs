// SPDX-License-Identifier: Apache-2.0
//! Questions about access, in Kubernetes' form and in OpenShift's older one.

pub(crate) mod authorization;
pub(crate) mod openshift;
