//! The requests that the admin addresses know.

use hyper::Method;

/// One of the admin addresses, by what it serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Face {
    /// `admin.address`: everything.
    Full,
    /// `admin.health_address`: the probes and metrics alone, which need no token there.
    Health,
}

/// A known request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// The list of routes.
    Index,
    /// All that can be told of the proxy, as JSON.
    Status,
    /// The metrics, for Prometheus to scrape.
    Metrics,
    /// Whether the process is alive.
    Health,
    /// Whether new clients are welcome.
    Ready,
    /// The version.
    Version,
    /// Reads the configuration again.
    Reload,
    /// Lets sessions end, and refuses new ones.
    Drain,
    /// Drains, and ends the process.
    Shutdown,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoRoute {
    /// There is nothing at this path.
    NotFound,
    /// The path takes other methods, which are listed here.
    Method(&'static str),
}

/// The proof that a route asks of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Needs {
    /// The answer is no secret.
    Nothing,
    /// The answer is data: off loopback it needs the token.
    TokenOffLoopback,
    /// The request changes something: it always needs the token.
    Token,
}

impl Route {
    /// Finds the route of a request.
    ///
    /// # Errors
    /// See [`NoRoute`].
    pub(super) fn of(face: Face, method: &Method, path: &str) -> Result<Self, NoRoute> {
        let route = match (face, path) {
            (_, "/healthz") => Self::Health,
            (_, "/readyz") => Self::Ready,
            (_, "/metrics") => Self::Metrics,
            (Face::Full, "/") => Self::Index,
            (Face::Full, "/status.json") => Self::Status,
            (Face::Full, "/version") => Self::Version,
            (Face::Full, "/reload") => Self::Reload,
            (Face::Full, "/drain") => Self::Drain,
            (Face::Full, "/shutdown") => Self::Shutdown,
            _ => return Err(NoRoute::NotFound),
        };
        let (is_allowed, allowed) = match route {
            Self::Reload | Self::Drain | Self::Shutdown => (method == Method::POST, "POST"),
            _ => (method == Method::GET || method == Method::HEAD, "GET, HEAD"),
        };
        if is_allowed { Ok(route) } else { Err(NoRoute::Method(allowed)) }
    }

    /// The proof that the route asks of a request at this address.
    pub(super) fn needs(self, face: Face) -> Needs {
        match self {
            Self::Index | Self::Health | Self::Ready => Needs::Nothing,
            Self::Metrics if face == Face::Health => Needs::Nothing,
            Self::Metrics | Self::Status | Self::Version => Needs::TokenOffLoopback,
            Self::Reload | Self::Drain | Self::Shutdown => Needs::Token,
        }
    }

    /// Whether the answer is large or takes time, so that there may not be too many at once.
    pub(super) fn is_heavy(self) -> bool {
        !matches!(self, Self::Index | Self::Health | Self::Ready | Self::Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, Route); 9] = [
        ("/", Route::Index),
        ("/status.json", Route::Status),
        ("/metrics", Route::Metrics),
        ("/healthz", Route::Health),
        ("/readyz", Route::Ready),
        ("/version", Route::Version),
        ("/reload", Route::Reload),
        ("/drain", Route::Drain),
        ("/shutdown", Route::Shutdown),
    ];

    #[test]
    fn each_path_takes_its_methods_alone() {
        let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"];
        for (path, route) in ALL {
            let is_action = route.needs(Face::Full) == Needs::Token;
            for name in methods {
                let method = Method::from_bytes(name.as_bytes()).unwrap();
                let is_read = name == "GET" || name == "HEAD";
                let want = match (is_action, name) {
                    (true, "POST") => Ok(route),
                    (true, _) => Err(NoRoute::Method("POST")),
                    (false, _) if is_read => Ok(route),
                    (false, _) => Err(NoRoute::Method("GET, HEAD")),
                };
                assert_eq!(Route::of(Face::Full, &method, path), want, "{name} {path}");
                if ["/healthz", "/readyz", "/metrics"].contains(&path) {
                    assert_eq!(Route::of(Face::Health, &method, path), want, "{name} {path}");
                    assert_eq!(route.needs(Face::Health), Needs::Nothing);
                } else {
                    assert_eq!(Route::of(Face::Health, &method, path), Err(NoRoute::NotFound), "{name} {path}");
                }
            }
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in
            ["", "*", "//", "/Metrics", "/metrics/", "/metrics/../reload", "/%6detrics", "/healthz/x", "/status"]
        {
            for face in [Face::Full, Face::Health] {
                assert_eq!(Route::of(face, &Method::GET, path), Err(NoRoute::NotFound), "{path}");
            }
        }
    }
}
