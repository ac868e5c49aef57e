#pragma once

#include <memory>
#include <string>
#include <vector>

#include <cohort/world/world.hpp>

namespace cohort {

namespace detail {
class credentials_state;
}

/// Where the three PEM files lie: this node's certificate, with what leads to the authority behind
/// it; its key, without a pass phrase; and the authorities whose certificates are believed. `./dev
/// certs` makes a set for one machine. Each file has at most 256 KiB.
struct tls_files {
    std::string certificate;
    std::string key;
    std::string authority;
};

/// Who a node is, as its certificate says it in the URI `cohort://<cluster>/<role>`.
struct node_identity {
    std::string cluster;
    std::string role;

    [[nodiscard]] std::string uri() const { return "cohort://" + cluster + "/" + role; }
    friend bool operator==(const node_identity&, const node_identity&) = default;
};

/// Who this node is and whom it believes.
///
/// Only certificates of the given authorities are taken, in both directions, and only from peers
/// of the same cluster whose role is one of those that are asked for: a certificate of the same
/// authority for something else opens no door.
///
/// Ownership: a value; copies share what was loaded, and streams keep what they were made with.
/// Thread:    any.
class tls_credentials {
public:
    /// Errors: those of reading the files; `invalid` when one holds no PEM, when key and
    ///         certificate do not belong together, or when the certificate names no node.
    [[nodiscard]] static result<tls_credentials> load(world& from, tls_files files);

    /// Reads the files again. What is secured from now on uses them; streams that are open stay as
    /// they are. After an error everything is as it was; a certificate of another cluster is one.
    [[nodiscard]] result<void> reload(world& from);

    /// The same, only when the files are not what they were at the last look; gives whether they
    /// were others. So an error is told once for each content. Blocks: call it on a worker.
    [[nodiscard]] result<bool> refresh(world& from);

    /// This node's own identity.
    [[nodiscard]] node_identity self() const;

private:
    friend class detail::credentials_state;
    std::shared_ptr<detail::credentials_state> state_;
};

}  // namespace cohort
