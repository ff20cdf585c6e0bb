use super::*;

const BUSY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const QUIET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// The permits, and the limits that each request comes with.
struct Rig {
    handshakes: Arc<Handshakes>,
    limits: HandshakeLimits,
}

impl Rig {
    fn with(max: usize, max_per_address: Option<usize>) -> Self {
        Self { handshakes: Arc::default(), limits: HandshakeLimits { max, max_per_address } }
    }

    fn acquire(&self, from: IpAddr) -> HandshakePermit {
        self.handshakes.acquire(from, self.limits, Place::Common)
    }

    fn acquire_reserved(&self, from: IpAddr) -> HandshakePermit {
        self.handshakes.acquire(from, self.limits, Place::Reserved)
    }

    fn acquire_behind_balancer(&self, balancer: IpAddr) -> HandshakePermit {
        self.handshakes
            .acquire_behind_balancer(balancer, self.limits)
    }

    fn count(&self) -> usize {
        self.handshakes.count()
    }
}

fn is_out(permit: &HandshakePermit) -> bool {
    permit.revoked.is_cancelled()
}

fn assert_empty(rig: &Rig) {
    let permits = rig.handshakes.permits.lock();
    assert!(permits.holders.is_empty());
    let Permits { common, reserved, .. } = &*permits;
    for group in [&common.all, &common.silent, &reserved.all, &reserved.silent] {
        assert_eq!((group.by_age.len(), group.by_address.len(), group.by_rank.len()), (0, 0, 0));
    }
}

#[test]
fn the_oldest_of_the_busiest_address_makes_room() {
    let rig = Rig::with(3, None);
    let quiet_one = rig.acquire(QUIET);
    let first = rig.acquire(BUSY);
    let second = rig.acquire(BUSY);
    let third = rig.acquire(BUSY);
    assert!(is_out(&first));
    assert!(![&quiet_one, &second, &third].into_iter().any(is_out));
    assert_eq!(rig.count(), 3);
    drop((quiet_one, first, second, third));
    assert_empty(&rig);
}

#[test]
fn among_equally_busy_addresses_the_oldest_handshake_makes_room() {
    let rig = Rig::with(3, None);
    let of = |host| rig.acquire(IpAddr::from([10, 0, 1, host]));
    let (nine, one, five) = (of(9), of(1), of(5));
    let next = of(3);
    assert!(is_out(&nine) && !is_out(&one) && !is_out(&five));
    let _last = of(4);
    assert!(is_out(&one) && !is_out(&five) && !is_out(&next));
}

#[test]
fn an_address_makes_room_for_itself() {
    let rig = Rig::with(100, Some(2));
    let quiet_one = rig.acquire(QUIET);
    let permits: Vec<_> = (0..3).map(|_| rig.acquire(BUSY)).collect();
    assert_eq!(permits.iter().map(is_out).collect::<Vec<_>>(), [true, false, false]);
    assert!(!is_out(&quiet_one));
    let of_network: Vec<_> = (0..3)
        .map(|host| rig.acquire(format!("2001:db8::{host}").parse().unwrap()))
        .collect();
    assert_eq!(of_network.iter().map(is_out).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(rig.count(), 5);
    drop((quiet_one, permits, of_network));
    assert_empty(&rig);
}

#[test]
fn a_connection_behind_a_balancer_counts_for_its_clients_address() {
    let rig = Rig::with(100, Some(2));
    let balancer = IpAddr::from([10, 0, 0, 3]);
    let behind: Vec<_> = (0..4)
        .map(|_| rig.acquire_behind_balancer(balancer))
        .collect();
    assert!(!behind.iter().any(is_out), "a balancer is no client");
    let young = rig.acquire(BUSY);
    behind[1].count_for(BUSY, rig.limits, Place::Common);
    assert!(!is_out(&behind[1]));
    behind[0].count_for(BUSY, rig.limits, Place::Common);
    assert!(is_out(&behind[0]), "the oldest of all three");
    behind[2].count_for(QUIET, rig.limits, Place::Common);
    assert!(
        ![&behind[1], &behind[2], &behind[3], &young]
            .into_iter()
            .any(is_out)
    );
    behind[0].count_for(QUIET, rig.limits, Place::Common);
    assert_eq!(rig.count(), 4);
    drop((behind, young));
    assert_empty(&rig);
}

/// Issue 11, A5: eight logins at once from one address were the busiest of all, and went first.
#[test]
fn a_crowd_with_one_place_each_does_not_push_out_an_address_with_a_few_logins() {
    let rig = Rig::with(2_000, None);
    let of = |n: u32| IpAddr::from((0x0b00_0000 + n).to_be_bytes());
    let crowd: Vec<_> = (0..1_992).map(|n| rig.acquire(of(n))).collect();
    let honest: Vec<_> = (0..8).map(|_| rig.acquire(QUIET)).collect();
    let newcomers: Vec<_> = (2_000..3_992).map(|n| rig.acquire(of(n))).collect();
    assert!(crowd.iter().all(is_out), "each newcomer took the place of the oldest");
    assert!(!honest.iter().any(is_out));
    drop((crowd, honest, newcomers));
    assert_empty(&rig);
}

#[test]
fn an_address_is_busy_above_a_fiftieth_of_the_permits() {
    for (busy, goes) in [(40, false), (41, true)] {
        let rig = Rig::with(2_000, None);
        let of = |n: u32| IpAddr::from((0x0b00_0000 + n).to_be_bytes());
        let crowd: Vec<_> = (0..2_000 - busy).map(|n| rig.acquire(of(n))).collect();
        let of_busy: Vec<_> = (0..busy).map(|_| rig.acquire(BUSY)).collect();
        let _newcomer = rig.acquire(QUIET);
        assert_eq!((is_out(&of_busy[0]), is_out(&crowd[0])), (goes, !goes), "{busy}");
    }
}

#[test]
fn a_client_that_has_spoken_outranks_those_that_have_said_nothing() {
    let rig = Rig::with(100, None);
    let of = |n: u8| rig.acquire(IpAddr::from([10, 0, 1, n]));
    let oldest = of(0);
    oldest.mark_spoken();
    // Two of an address are more than a fiftieth, and yet not the first to go.
    let busy: Vec<_> = (0..2).map(|_| rig.acquire(BUSY)).collect();
    busy.iter().for_each(HandshakePermit::mark_spoken);
    let silent: Vec<_> = (1..98).map(of).collect();
    let newcomers: Vec<_> = (100..197).map(of).collect();
    assert!(silent.iter().all(is_out));
    assert!(!is_out(&oldest) && !busy.iter().any(is_out));
    drop((oldest, busy, silent, newcomers));
    assert_empty(&rig);
}

/// Otherwise a crowd that finishes its handshakes would leave a newcomer its place until the next
/// one comes.
#[test]
fn silent_clients_keep_a_quarter_of_the_places() {
    let rig = Rig::with(100, None);
    let of = |n: u8| rig.acquire(IpAddr::from([10, 0, 1, n]));
    let spoken: Vec<_> = (0..100).map(of).collect();
    spoken.iter().for_each(HandshakePermit::mark_spoken);
    let silent: Vec<_> = (100..126).map(of).collect();
    assert_eq!(spoken.iter().filter(|permit| is_out(permit)).count(), 26, "the oldest of all");
    assert!(!silent.iter().any(is_out));
    let _next = of(200);
    assert!(is_out(&silent[0]), "26 are more than a quarter");
}

#[test]
fn an_address_makes_room_for_itself_by_a_silent_one_first() {
    let rig = Rig::with(100, Some(2));
    let spoken = rig.acquire(BUSY);
    spoken.mark_spoken();
    let silent = rig.acquire(BUSY);
    let last = rig.acquire(BUSY);
    assert!(is_out(&silent) && !is_out(&spoken));
    drop(last);
    let next = rig.acquire(BUSY);
    next.mark_spoken();
    let newest = rig.acquire(BUSY);
    assert!(is_out(&spoken) && !is_out(&next) && !is_out(&newest), "the newest does not go for being silent still");
}

#[test]
fn progress_moves_with_its_connection() {
    let rig = Rig::with(4, None);
    let balancer = IpAddr::from([10, 0, 0, 3]);
    let (one, other) = (rig.acquire_behind_balancer(balancer), rig.acquire_behind_balancer(balancer));
    one.mark_spoken();
    one.count_for(BUSY, rig.limits, Place::Common);
    other.count_for(QUIET, rig.limits, Place::Common);
    let _more: Vec<_> = (4..7)
        .map(|n| rig.acquire(IpAddr::from([10, 0, 0, n])))
        .collect();
    assert!(is_out(&other) && !is_out(&one));
    other.mark_spoken();
    assert_eq!(rig.count(), 4);
}

#[test]
fn a_newcomer_makes_room_until_lower_limits_fit() {
    let mut rig = Rig::with(100, None);
    let crowd: Vec<_> = (0..10)
        .map(|n| rig.acquire(IpAddr::from([10, 0, 1, n])))
        .collect();
    let busy: Vec<_> = (0..5).map(|_| rig.acquire(BUSY)).collect();
    rig.limits.max_per_address = Some(2);
    let next = rig.acquire(BUSY);
    assert_eq!(busy.iter().filter(|permit| is_out(permit)).count(), 4);
    assert!(!is_out(&busy[4]) && !is_out(&next) && !crowd.iter().any(is_out));
    rig.limits.max = 4;
    let last = rig.acquire(QUIET);
    assert_eq!(rig.count(), 4);
    assert!(!is_out(&last));
    drop((crowd, busy, next, last));
    assert_empty(&rig);
}

#[test]
fn a_crowd_from_elsewhere_does_not_push_out_those_who_may_use_the_console() {
    let rig = Rig::with(4, None);
    let operators: Vec<_> = (0..RESERVED).map(|_| rig.acquire_reserved(QUIET)).collect();
    let crowd: Vec<_> = (0..100)
        .map(|n| rig.acquire(IpAddr::from([10, 0, 1, n])))
        .collect();
    assert!(!operators.iter().any(is_out));
    assert_eq!(crowd.iter().filter(|permit| !is_out(permit)).count(), 4);
    assert_eq!(rig.count(), 4 + RESERVED);
    drop((operators, crowd));
    assert_empty(&rig);
}

/// The reserve is no way for a crowd on loopback, from where the console may be used by default, to
/// have more than its few permits.
#[test]
fn a_crowd_of_the_consoles_own_networks_gains_the_reserve_and_no_more() {
    let rig = Rig::with(4, None);
    let spoken = rig.acquire_reserved(QUIET);
    spoken.mark_spoken();
    let crowd: Vec<_> = (0..100).map(|_| rig.acquire_reserved(BUSY)).collect();
    assert_eq!(rig.count(), 4 + RESERVED);
    assert!(!is_out(&spoken), "silent ones give way first");
    let others: Vec<_> = (0..100)
        .map(|_| {
            let permit = rig.acquire_reserved(BUSY);
            permit.mark_spoken();
            permit
        })
        .collect();
    assert!(!is_out(&spoken), "it has a common permit now, of which the busiest address gives up its own");
    assert_eq!(rig.count(), 4 + RESERVED);
    drop((spoken, crowd, others));
    assert_empty(&rig);
}

#[test]
fn an_address_has_no_more_permits_by_the_reserve() {
    let rig = Rig::with(100, Some(2));
    let permits: Vec<_> = (0..5).map(|_| rig.acquire_reserved(BUSY)).collect();
    assert_eq!(permits.iter().map(is_out).collect::<Vec<_>>(), [true, true, true, false, false]);
}

#[test]
fn behind_a_balancer_the_reserve_is_for_the_clients_address() {
    let rig = Rig::with(4, None);
    let operator = rig.acquire_behind_balancer(IpAddr::from([10, 0, 0, 3]));
    operator.count_for(QUIET, rig.limits, Place::Reserved);
    let crowd: Vec<_> = (0..10).map(|_| rig.acquire(BUSY)).collect();
    assert!(!is_out(&operator));
    drop((operator, crowd));
    assert_empty(&rig);
}

#[test]
fn those_that_are_kept_for_the_console_do_not_count_against_the_limit() {
    let rig = Rig::with(4, None);
    let _permits = [rig.acquire_reserved(QUIET), rig.acquire(BUSY)];
    assert_eq!((rig.count(), rig.handshakes.count_common()), (2, 1));
}

#[test]
fn a_full_house_is_told_of_whoever_makes_it_full() {
    let rig = Rig::with(1, None);
    let _reserved: Vec<_> = (0..RESERVED).map(|_| rig.acquire_reserved(QUIET)).collect();
    let operator = rig.acquire_behind_balancer(IpAddr::from([10, 0, 0, 3]));
    let mut permits = rig.handshakes.permits.lock();
    // Its common permit goes to the oldest of the reserve; and then it is another's already.
    let address = AddressKey::Client(QUIET);
    assert!(!permits.count_for(operator.number, address, Place::Reserved, 1));
    permits.common.add(99, address, Voice::Silent);
    let number = permits.common.all.oldest().unwrap();
    assert!(permits.count_for(number, address, Place::Reserved, 1));
    drop(permits);
}
