//! What is applied to a cluster: it can be rendered, Kubernetes takes it, and it fits together.

mod files;
mod network;
mod pods;
mod programs;
mod renderings;
