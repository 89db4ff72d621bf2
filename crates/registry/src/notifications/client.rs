// SPDX-License-Identifier: Apache-2.0
//! One connection to one endpoint, opened when needed and kept.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;

use crate::outbound::{Address, ConnectError};
use crate::settings::EndpointSettings;

/// The type that distribution's receivers expect.
const MEDIA_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.docker.distribution.events.v1+json");

/// Bytes of an endpoint's answer that are read so that the connection can be used again.
const MAX_ANSWER: usize = 64 << 10;

pub(super) struct Client {
    address: Address,
    headers: HeaderMap,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// Why a delivery failed. None of them shows a header.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the exchange failed")]
    Exchange(#[source] hyper::Error),
    #[error("the endpoint answered {0}")]
    Status(StatusCode),
    #[error("the endpoint did not answer in time")]
    TimedOut,
}

impl Client {
    pub(super) fn new(
        settings: &EndpointSettings,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<Self, &'static str> {
        let address = Address::parse(&settings.url, tls)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            headers.append(name, value.clone());
        }
        headers.insert(header::HOST, address.authority.clone());
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        Ok(Self { address, headers, connection: None })
    }

    /// Posts one body; 2xx and 3xx mean that it was taken.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<(), DeliveryError> {
        let mut sender = match self.usable().await {
            Some(open) => open,
            None => self.address.connect().await?,
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.path.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = sender.send_request(request).await.map_err(DeliveryError::Exchange)?;
        let status = answer.status();
        // Only a body that was read to its end leaves the connection usable.
        if Limited::new(answer.into_body(), MAX_ANSWER).collect().await.is_ok() {
            self.connection = Some(sender);
        }
        if status.is_success() || status.is_redirection() {
            Ok(())
        } else {
            Err(DeliveryError::Status(status))
        }
    }

    /// The connection of the last delivery, if the endpoint has not closed it.
    async fn usable(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut open = self.connection.take()?;
        open.ready().await.ok()?;
        Some(open)
    }
}
