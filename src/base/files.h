#pragma once

// Files: small files written whole or not at all, and secrets read with suspicion.
// Blocking; for start-up, tools and state that changes rarely.

#include "base/result.h"
#include "base/secret.h"
#include "base/subprocess.h"

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// Replaces `path` by `text`: written beside it, fsynced, renamed, and the directory fsynced, so
/// that after a crash the old or the new text is there. `mode` whatever the umask says.
Result<void> write_file_durably(const std::string& path, std::string_view text, int mode,
                                const std::optional<UserIdentity>& owner = std::nullopt);

/// Removes `path` if it is there, and so it stays after a crash.
Result<void> remove_file_durably(const std::string& path);

/// The whole file, at most `size_max` bytes. Errors: Io "file_unreadable", "file_too_large".
Result<std::string> read_file(const std::string& path, std::size_t size_max = 1 << 20);

/// The first line of a secret file. Errors: Io "secret_file_exposed" when others can read it,
/// "secret_file_empty".
Result<SecretString> read_secret_file(const std::string& path);

} // namespace holdfast
