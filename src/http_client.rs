//! How papertiger speaks HTTP with everything that is no API server: a Pushgateway, a registry.

use reqwest::{Client, ClientBuilder, Url};

/// A client for an address, as far as the address decides; how patient it is, is for its user to say.
pub(crate) fn builder(url: &Url) -> ClientBuilder {
    // Already there where a cluster was spoken to.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder();
    // Where no certificate is shown, an image that has none to check it with will do.
    if url.scheme() == "https" { client } else { client.tls_certs_only([]) }
}
