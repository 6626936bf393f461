//! What really crosses the network: nothing of the database beside the line.

use super::by_both;
use super::journey::journey;
use super::office::Office;
use drydock_engine::domain::ssh::SshImplementation;
use drydock_lab::Capture;
use std::time::Duration;

by_both!(no_packet_of_the_database_leaves_beside_the_line);

async fn no_packet_of_the_database_leaves_beside_the_line(implementation: SshImplementation) {
    let office = Office::behind_a_cable().await;
    let (database, ssh) = (office.server.port(), office.host.port());
    let mut capture = Capture::start();
    journey(&office, implementation).await;
    office.close().await;
    capture.stop();
    let network = office.network.as_ref().unwrap();
    let far = network.address();
    assert!(capture.count(&format!("host {far} and tcp port {ssh}")) > 200, "the line itself is seen");
    let beside = capture.lines(&format!("port {database}"));
    assert_eq!(beside, Vec::<String>::new(), "no packet to or from the database's port, on no device");
    let other = capture.lines(&format!("ip and host {far} and not tcp port {ssh}"));
    assert_eq!(other, Vec::<String>::new(), "only the line crosses the cable");

    // The same capture sees a single knock at the database's port: what is not there was not sent.
    let mut capture = Capture::start();
    let knock = tokio::net::TcpStream::connect(("127.0.0.1", database));
    let _ = tokio::time::timeout(Duration::from_secs(1), knock).await;
    capture.stop();
    assert!(capture.count(&format!("port {database}")) > 0, "a leak would have been seen");
}
