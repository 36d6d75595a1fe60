//! The answer to `GET /`: who this Logstash is.
//!
//! * Units: threads, events, milliseconds.
//! * Absent when: the three `build_` members in a build of one's own, `cluster_uuid` mostly.

use super::reader::{Notes, document};
use super::record::{Record, shape};
use super::{BadDocument, Parsed};

shape! {
    /// The answer to `GET /`.
    pub RootShape;
    numbers RootNumber {
        Workers: Number "pipeline.workers",
        BatchSize: Number "pipeline.batch_size",
        BatchDelayMillis: Number "pipeline.batch_delay",
    }
    flows RootFlow {}
    texts RootText {
        Host: Text "host",
        Version: Text "version",
        HttpAddress: Text "http_address",
        Id: Text "id",
        Name: Text "name",
        EphemeralId: Text "ephemeral_id",
        Status: Text "status",
        ClusterUuid: Text "monitoring.cluster_uuid",
        BuildDate: Text "build_date",
        BuildSha: Text "build_sha",
        BuildSnapshot: FlagText "build_snapshot",
    }
}

/// The answer to `GET /`.
pub type Root<'a> = Record<'a, RootShape>;

pub(super) fn parse(body: &[u8]) -> Result<Parsed<Root<'_>>, BadDocument> {
    let mut notes = Notes::default();
    let slots = document::<RootShape>(body, &mut notes)?;
    Ok(notes.parsed(slots.into_record()))
}
