#pragma once

#include <memory>
#include <string>
#include <vector>

#include <cohort/task/task.hpp>
#include <cohort/tls/credentials.hpp>

namespace cohort {

/// Who begins the handshake.
enum class tls_side : std::uint8_t { client, server };

/// A stream under TLS, and who is at its other end.
struct secured_stream {
    std::unique_ptr<stream> bytes;
    node_identity peer;
};

/// Brings a fresh connection under TLS 1.3. Each side shows a certificate of an authority that the
/// other believes, for a node of the same cluster; `roles` are those that the peer may have, any
/// when it is empty.
///
/// What is written is encrypted at once and flushed in one piece, at most 64 KiB of it at a time.
/// Cancelling a write leaves what was taken over in the stream, to go out before the next: the
/// write then ends with how much that was. A stream that the peer closes without saying so ends
/// with `errc::truncated`.
///
/// Ownership: takes the stream; it is closed on failure.
/// Thread:    an actor's core; the world's wall clock decides about validity.
/// Errors:    `invalid` when a certificate is not accepted or the peer speaks no TLS 1.3, with
///            OpenSSL's reason; `end_of_stream`, `network`. A client may hear only from its first
///            read that the server refused it: such is TLS 1.3.
/// Cancellation: closes the connection. Give it a limit with `with_timeout`.
/// Source:    RFC 8446.
[[nodiscard]] task<result<secured_stream>> secure(std::unique_ptr<stream> raw, tls_side side,
                                                  tls_credentials credentials,
                                                  std::vector<std::string> roles = {});

}  // namespace cohort
