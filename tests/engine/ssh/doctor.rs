//! The walk over the SSH hops.

use super::by_both;
use super::parts::{Desk, Echo, by_key, echoes, key_file, tcp};
use drydock_engine::adapters::ssh::{Secrets, Walked, examine};
use drydock_engine::domain::Outcome;
use drydock_engine::domain::doctor::{Hop, HopKind};
use drydock_engine::domain::ssh::{SshAccess, SshImplementation, SshTarget};
use drydock_lab::{SshServer, SshSettings};

by_both!(every_hop_passes_with_its_time_and_the_line_goes_on, the_walk_stops_at_the_first_hop_that_fails,);

const ALL: [HopKind; 6] = [
    HopKind::SshNameLookup,
    HopKind::SshTcp,
    HopKind::SshHostKey,
    HopKind::SshLogin,
    HopKind::SshForwarding,
    HopKind::SshTarget,
];

async fn walk(desk: &Desk, access: &SshAccess, target: &SshTarget) -> Walked {
    let mut told: Vec<Hop> = Vec::new();
    let walked =
        examine(access, target, &Secrets::none(), &desk.places, &mut |hop: &Hop| told.push(hop.clone()))
            .await;
    assert_eq!(walked.hops.iter().map(|hop| hop.kind).collect::<Vec<_>>(), ALL, "{walked:?}");
    for kind in ALL {
        let last = told.iter().rev().find(|hop| hop.kind == kind);
        let kept = walked.hops.iter().find(|hop| hop.kind == kind);
        assert_eq!(last, kept, "what was told last is what is kept");
    }
    walked
}

async fn every_hop_passes_with_its_time_and_the_line_goes_on(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let desk = Desk::for_servers(&[&server]);
    let walked = walk(&desk, &by_key(&server, by), &echo.target()).await;
    assert!(walked.hops.iter().all(|hop| hop.outcome == Some(Outcome::Pass)), "{walked:?}");
    assert!(walked.hops[2].evidence.contains(&server.fingerprint()), "{:?}", walked.hops[2]);
    assert!(walked.hops[3].milliseconds.is_some_and(|took| took > 0.0), "{:?}", walked.hops[3]);
    let line = walked.line.unwrap();
    echoes(&line, &echo.target()).await;
    line.close().await;
}

async fn the_walk_stops_at_the_first_hop_that_fails(by: SshImplementation) {
    let (server, echo) = (SshServer::start(), Echo::start().await);
    let forbidding = SshServer::start_with(SshSettings {
        lines: vec!["AllowTcpForwarding no".to_owned()],
        ..SshSettings::default()
    });
    let desk = Desk::for_servers(&[&server, &forbidding]);
    let ignorant = Desk::knowing(&[]);
    let good = by_key(&server, by);
    let mut no_name = good.clone();
    no_name.host = "no-such-host.invalid".to_owned();
    let mut no_port = good.clone();
    no_port.port = Some(1);
    let mut no_key = good.clone();
    no_key.login = key_file(&server.strange_key());
    let echo_target = echo.target();
    let nobody = tcp("127.0.0.1", 1);
    for (desk, access, target, fails) in [
        (&desk, &no_name, &echo_target, 0),
        (&desk, &no_port, &echo_target, 1),
        (&ignorant, &good, &echo_target, 2),
        (&desk, &no_key, &echo_target, 3),
        (&desk, &by_key(&forbidding, by), &echo_target, 4),
        (&desk, &good, &nobody, 5),
    ] {
        let walked = walk(desk, access, target).await;
        for (place, hop) in walked.hops.iter().enumerate() {
            let wanted = match place {
                place if place < fails => Some(Outcome::Pass),
                place if place == fails => Some(Outcome::Block),
                _ => None,
            };
            assert_eq!(hop.outcome, wanted, "{hop:?} in {walked:?}");
        }
        assert_eq!(walked.explanation.as_ref().unwrap().hop, ALL[fails]);
        assert_eq!(walked.host_key.is_some(), fails == 2, "only an unknown key is asked about");
        assert!(walked.line.is_none());
    }
}
