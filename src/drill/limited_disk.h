#pragma once

// LimitedDisk: a file system of a certain size, on which directories of a drill's platform lie, so
// that it can be full and have space again.
//
//   TRY_VOID(LimitedDisk::enter_own_mounts());      // once, before any thread is started
//   TRY(auto disk, LimitedDisk::mount("/tmp/x/disk", 1 << 30));
//   TRY_VOID(disk->lay("postgres-a", "/tmp/x/data/postgres-a"));
//   ...
//   TRY(bool full, disk->fill_more());              // until it says true
//   TRY_VOID(disk->clear());
//
// It is a tmpfs, mounted in a mount namespace that this process and all that it starts have for
// themselves: nobody else sees it, and it goes away with the last of them, whatever that dies of.
// An ordinary user gets such a namespace inside a user namespace of its own, in which it stays who
// it is. Where that is not allowed either: Forbidden "mounts_not_allowed" says what is needed.
//
// What fills it is one file, `filler`, in pieces of fill_step, then page by page; it takes memory.
// Owned by the Platform; unmounted when destroyed. Thread: any one; each call blocks for some
// milliseconds.

#include "base/result.h"
#include "base/subprocess.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::drill {

class LimitedDisk {
  public:
    static constexpr std::uint64_t fill_step = 32 << 20;

    static Result<void> enter_own_mounts();

    /// `path` is made. Errors: Io "limited_disk".
    static Result<std::unique_ptr<LimitedDisk>> mount(std::string path, std::uint64_t bytes);
    ~LimitedDisk();
    LimitedDisk(const LimitedDisk&) = delete;
    LimitedDisk& operator=(const LimitedDisk&) = delete;

    /// A directory of it appears at `target`, which is made.
    Result<void> lay(const std::string& name, const std::string& target,
                     const std::optional<UserIdentity>& owner);

    /// Takes some of what is free. True: nothing is, by statvfs.
    Result<bool> fill_more();
    /// Gives back what fill_more() took.
    Result<void> clear();
    /// By statvfs.
    Result<std::uint64_t> free_bytes() const;

  private:
    explicit LimitedDisk(std::string path) : path_(std::move(path)) {}
    std::string filler() const { return path_ + "/filler"; }

    std::string path_;
    std::vector<std::string> mounted_; ///< in this order
};

} // namespace holdfast::drill
