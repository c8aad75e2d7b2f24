//! Special-purpose IP addresses (RFC 6890), which are not hosts on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Returns the purpose of a special-purpose `address`, or `None` if it may be a public host.
///
/// The table follows the [IANA registries][iana] and is stricter where they permit a choice.
/// Addresses that embed another one (IPv4-mapped, NAT64, 6to4, Teredo) are special-purpose whatever
/// they embed: they would otherwise be a way around the IPv4 table.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::special_use;
///
/// # fn main() -> Result<(), std::net::AddrParseError> {
/// assert_eq!(special_use("93.184.216.34".parse()?), None);
/// assert_eq!(special_use("10.0.0.1".parse()?), Some("private"));
/// assert_eq!(special_use("64:ff9b::a9fe:a9fe".parse()?), Some("NAT64"));
/// # Ok(())
/// # }
/// ```
///
/// [iana]: https://www.iana.org/assignments/iana-ipv4-special-registry
#[must_use]
pub fn special_use(address: IpAddr) -> Option<&'static str> {
    if is_metadata(address) {
        return Some("metadata service");
    }
    match address {
        IpAddr::V4(address) => V4
            .iter()
            .find(|(net, _)| net.contains(&address))
            .map(second),
        IpAddr::V6(address) => V6
            .iter()
            .find(|(net, _)| net.contains(&address))
            .map(second)
            .or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some("not global unicast")),
    }
}

/// Returns `true` if `address` is the metadata service of a cloud, which hands out the credentials
/// of the machine. No policy permits these addresses.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address.to_canonical())
}

/// Returns the name of an entry.
fn second(entry: &(impl Copy, &'static str)) -> &'static str {
    entry.1
}

/// Metadata services of Amazon, Google, Azure, Alibaba and Oracle.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// IPv4 blocks with their purposes. The first match counts.
const V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 8), "private"),
    (v4(100, 64, 0, 10), "carrier-grade NAT"),
    (v4(127, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 16), "link-local"),
    (v4(172, 16, 0, 12), "private"),
    (v4(192, 0, 0, 24), "protocol assignment"),
    (v4(192, 0, 2, 24), "documentation"),
    (v4(192, 88, 99, 24), "6to4 relay"),
    (v4(192, 168, 0, 16), "private"),
    (v4(198, 18, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 24), "documentation"),
    (v4(203, 0, 113, 24), "documentation"),
    (v4(224, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 24), "broadcast"),
    (v4(240, 0, 0, 4), "reserved"),
];

/// IPv6 blocks with their purposes. The first match counts.
const V6: [(Ipv6Net, &str); 15] = [
    (v6(0, 0, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (mapped(0, 0xffff), "IPv4-mapped"),
    (mapped(0xffff, 0), "IPv4-translated"),
    (v6(0x64, 0xff9b, 32), "NAT64"),
    (v6(0x100, 0, 64), "discard-only"),
    (v6(0x2001, 0, 32), "Teredo"),
    (v6(0x2001, 2, 48), "benchmarking"),
    (v6(0x2001, 0, 23), "protocol assignment"),
    (v6(0x2001, 0xdb8, 32), "documentation"),
    (v6(0x2002, 0, 16), "6to4"),
    (v6(0x3fff, 0, 20), "documentation"),
    (v6(0xfc00, 0, 7), "unique local"),
    (v6(0xfe80, 0, 10), "link-local"),
    (v6(0xff00, 0, 8), "multicast"),
];

/// The only IPv6 block from which public addresses are assigned.
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 3);

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// Creates a block of addresses whose last 32 bits are an IPv4 address.
const fn mapped(e: u16, f: u16) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, e, f, 0, 0), 96)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(address: &str) -> Option<&'static str> {
        special_use(address.parse().unwrap())
    }

    #[test]
    fn every_block_of_the_registries_is_known() {
        let table = [
            ("0.0.0.0", "this network"),
            ("0.255.255.255", "this network"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "carrier-grade NAT"),
            ("100.127.255.255", "carrier-grade NAT"),
            ("100.100.100.200", "metadata service"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("168.63.129.16", "metadata service"),
            ("169.254.169.254", "metadata service"),
            ("169.254.1.1", "link-local"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.170", "protocol assignment"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4 relay"),
            ("192.168.0.1", "private"),
            ("198.19.255.255", "benchmarking"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.7", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "not global unicast"),
            ("::ffff:127.0.0.1", "IPv4-mapped"),
            ("::ffff:8.8.8.8", "IPv4-mapped"),
            ("::ffff:0:127.0.0.1", "IPv4-translated"),
            ("::ffff:169.254.169.254", "metadata service"),
            ("64:ff9b::10.0.0.1", "NAT64"),
            ("64:ff9b:1::1", "NAT64"),
            ("100::1", "discard-only"),
            ("2001::1", "Teredo"),
            ("2001:2::1", "benchmarking"),
            ("2001:10::1", "protocol assignment"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("3fff::1", "documentation"),
            ("3fff:fff::1", "documentation"),
            ("4000::1", "not global unicast"),
            ("5f00::1", "not global unicast"),
            ("fc00::1", "unique local"),
            ("fd00:ec2::254", "metadata service"),
            ("fdff::1", "unique local"),
            ("fe80::1", "link-local"),
            ("fec0::1", "not global unicast"),
            ("ff02::1", "multicast"),
        ];
        for (address, expected) in table {
            assert_eq!(kind(address), Some(expected), "{address}");
        }
    }

    #[test]
    fn the_neighbours_of_those_blocks_are_public() {
        let table = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
        ];
        for address in table {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    proptest! {
        /// No special address of the standard library is public here.
        #[test]
        fn nothing_that_std_knows_is_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast()
                || address.is_unspecified();
            let kind = special_use(address.into());
            prop_assert!(!special || kind.is_some());
        }

        #[test]
        fn an_address_inside_of_another_one_is_refused(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            for address in [
                v4.to_ipv6_mapped(),
                v4.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
            ] {
                prop_assert!(special_use(address.into()).is_some(), "{address}");
            }
        }

        #[test]
        fn only_global_unicast_is_public(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            if special_use(address.into()).is_none() {
                prop_assert_eq!(bits >> 125, 1);
                prop_assert!(!address.is_unique_local() && !address.is_multicast());
            }
        }
    }
}
