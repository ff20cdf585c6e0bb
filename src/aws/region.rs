//! The proxy's own Region, in which roles are assumed and stored values are read unless something
//! else names a Region.

use std::path::Path;

use aws_config::Region;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use tracing::{info, warn};

use crate::config::{Aws, HomeRegion};

/// Finds the Region in the order of the SDK's chain: configuration, environment, profile, instance.
/// The metadata service of an instance is asked only where that can matter. Elsewhere there is
/// none, and each start would wait for it.
pub(super) async fn find(aws: &Aws, home: HomeRegion, config: &ProviderConfig) -> Option<Region> {
    if let Some(region) = &aws.region {
        return Some(Region::new(region.clone()));
    }
    let profile = ProfileFileRegionProvider::builder()
        .configure(config)
        .build();
    let found = match EnvironmentVariableRegionProvider::new().region().await {
        Some(region) => Some(region),
        None => profile.region().await,
    };
    let asks = match home {
        HomeRegion::Needed => true,
        HomeRegion::Preferred => is_instance(),
        HomeRegion::Unneeded => false,
    };
    if found.is_some() || !asks {
        return found;
    }
    let instance = ImdsRegionProvider::builder()
        .configure(config)
        .build()
        .region()
        .await;
    match &instance {
        Some(region) => info!(event = "region", region = region.as_ref(), "the Region is the instance's"),
        None => warn!(
            event = "region unknown",
            "no Region is known: set aws.region or AWS_REGION (no instance metadata service answers here)"
        ),
    }
    instance
}

/// Whether this machine is an EC2 instance, by what its firmware says ("Detect whether a host is an
/// EC2 instance", Amazon EC2 User Guide). This makes no call.
fn is_instance() -> bool {
    let says = |name: &str, mark: &str| {
        let text = std::fs::read_to_string(Path::new("/sys/devices/virtual/dmi/id").join(name));
        text.is_ok_and(|text| text.to_lowercase().contains(mark))
    };
    says("sys_vendor", "amazon ec2") || says("bios_version", "amazon")
}
