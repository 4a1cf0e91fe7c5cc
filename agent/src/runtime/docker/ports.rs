//! Published ports, in the engine's words.

use bollard::models::{PortBinding, PortMap};
use model::port::Published;

/// How the engine names a port.
fn port_name(port: u16) -> String {
    format!("{port}/tcp")
}

/// All of them, as the image would expose them.
pub(super) fn exposed(ports: &[u16]) -> Option<Vec<String>> {
    (!ports.is_empty()).then(|| ports.iter().copied().map(port_name).collect())
}

/// Each at one of the node's ports of a range, on all its addresses; without a range the engine
/// chooses.
pub(super) fn bindings(range: &str, ports: &[u16]) -> Option<PortMap> {
    let somewhere = || PortBinding {
        host_ip: None,
        host_port: Some(range.to_owned()),
    };
    let bound = |port: &u16| (port_name(*port), Some(vec![somewhere()]));
    (!ports.is_empty()).then(|| ports.iter().map(bound).collect())
}

/// Where the engine says that ports are reached. With IPv6 it may name a port twice.
pub(super) fn published(bound: &PortMap) -> Vec<Published> {
    let mut ports: Vec<Published> = bound
        .iter()
        .filter_map(|(name, places)| {
            let container = name.strip_suffix("/tcp")?.parse().ok()?;
            let place = places.as_ref()?.first()?.host_port.as_ref()?;
            let host = place.parse().ok()?;
            Some(Published { container, host })
        })
        .collect();
    ports.sort_unstable();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_asked_for_in_a_range_and_read_where_they_are() {
        assert_eq!((exposed(&[]), bindings("", &[])), (None, None));
        let asked = serde_json::json!({"80/tcp": [{"HostPort": "20000-20010"}]});
        let bound = bindings("20000-20010", &[80]);
        assert_eq!(serde_json::to_value(bound).ok(), Some(asked));
        let told = serde_json::json!({
            "443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20003"}, {"HostPort": "20003"}],
            "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20002"}],
            "53/udp": [{"HostPort": "20004"}],
            "90/tcp": null,
            "91/tcp": [{"HostPort": "no port"}],
        });
        let told: PortMap = serde_json::from_value(told).unwrap_or_default();
        let at = |container, host| Published { container, host };
        assert_eq!(published(&told), [at(80, 20_002), at(443, 20_003)]);
    }
}
