#include "app/data_directory.h"

#include "base/bytes.h"
#include "base/files.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/stat.h>

namespace holdfast::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view marker = "holdfast.data";

Error io_error(std::string_view what, const std::string& path) {
    return {.kind = ErrorClass::Io,
            .code = "data_directory_io",
            .message = fmt::format("can't {} {}: {}", what, path, std::strerror(errno))};
}

/// The unprivileged user must be able to walk to its data, whatever the umask was.
Result<void> make(const std::string& path, const std::optional<UserIdentity>& owner) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error)
        return fail(ErrorClass::Io, "data_directory_io",
                    fmt::format("can't create {}: {}", path, error.message()));
    if (::chmod(path.c_str(), 0750) != 0) return fail(io_error("protect", path));
    return give_to(owner, path);
}

} // namespace

Result<DataDirectory> DataDirectory::open(Env& env, const std::string& path) {
    TRY(auto user, unprivileged_user({"holdfast", "postgres", "nobody"}));
    std::error_code error;
    const bool known = fs::exists(fs::path(path) / marker, error);
    if (!known && fs::exists(path, error) && !fs::is_empty(path, error))
        return fail(ErrorClass::Conflict, "not_a_data_directory",
                    fmt::format("{} has other things in it; name an empty or new directory with "
                                "--data",
                                path));
    TRY_VOID(make(path, user));
    // One name however it was reached: what belongs to it is found by that name.
    const std::string name = fs::canonical(path, error).string();
    if (error) return fail(io_error("find", path));
    DataDirectory data(env, name, std::move(user));
    if (data.user_ && !can_reach(*data.user_, data.path_))
        return fail(ErrorClass::Io, "data_directory_unreachable",
                    fmt::format("servers run as the user {}, who may not walk to {}; name another "
                                "directory with --data, for example /var/lib/holdfast",
                                data.user_->name, data.path_));
    TRY_VOID(make(data.file("secrets"), data.user_));
    TRY_VOID(make(data.file("log"), data.user_));
    if (!known) TRY_VOID(write_file_durably(data.file(marker), "holdfast\n", 0644, data.user_));
    return data;
}

Result<void> DataDirectory::remove(const std::string& path) {
    std::error_code error;
    if (!fs::exists(path, error)) return {};
    if (!fs::exists(fs::path(path) / marker, error))
        return fail(ErrorClass::Conflict, "not_a_data_directory",
                    fmt::format("{} is not a Holdfast data directory; not removing it", path));
    fs::remove_all(path, error);
    if (error)
        return fail(ErrorClass::Io, "data_directory_io",
                    fmt::format("can't remove {}: {}", path, error.message()));
    return {};
}

std::string DataDirectory::file(std::string_view name) const {
    return fmt::format("{}/{}", path_, name);
}

std::string DataDirectory::log_file(std::string_view service) const {
    return fmt::format("{}/log/{}.log", path_, service);
}

Result<void> DataDirectory::make_directory(std::string_view name) const {
    return make(file(name), user_);
}

Result<void> DataDirectory::write_private(std::string_view name, std::string_view text,
                                          bool for_servers) const {
    return write_file_durably(file(name), text, 0600,
                              for_servers ? user_ : std::optional<UserIdentity>{});
}

Result<std::string> DataDirectory::secret_file(std::string_view name) const {
    const std::string relative = fmt::format("secrets/{}", name);
    if (!fs::exists(file(relative))) {
        std::array<std::byte, 32> random;
        env_->fill_random(random);
        const std::string_view bytes(reinterpret_cast<const char*>(random.data()), random.size());
        TRY_VOID(write_private(relative, to_hex(bytes) + "\n", true));
    }
    return file(relative);
}

} // namespace holdfast::app
