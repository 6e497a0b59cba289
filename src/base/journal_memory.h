#pragma once

// MemoryDisk: a disk that tests and simulations can crash, fill and break, holding the directory of
// one Journal. It keeps exactly the promises of journal_files.h and no more.
//
//   MemoryDisk disk;
//   auto journal = Journal::open(disk.mount(), secret);
//   ... append, sync ...
//   journal->reset();
//   disk.crash(env);                 // decides by env for each sector that was not synced
//   journal = Journal::open(disk.mount(), secret);
//
// It outlives what it mounted, and whoever uses that is gone before a crash. Thread-compatible.

#include "base/env.h"
#include "base/journal_files.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace holdfast {

class MemoryDisk {
  public:
    enum class Operation : std::uint8_t { Write, Sync, SyncNames };

    MemoryDisk() = default;
    MemoryDisk(const MemoryDisk&) = delete;
    MemoryDisk& operator=(const MemoryDisk&) = delete;

    std::unique_ptr<JournalFiles> mount();

    /// The power goes: of what was not synced, `env` picks what survives.
    void crash(Env& env);
    /// The operation of that kind after `after` good ones fails with Io "journal_io", once. A
    /// failed sync drops what it should have written and calls it clean.
    void fail(Operation operation, std::uint64_t after = 0);
    /// Files together have at most that many bytes.
    void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }
    /// No planned failure is left, and there is room.
    void heal() {
        failing_.clear();
        capacity_bytes_.reset();
    }

    /// What the files have now; changes of them are damage, on the disk at once.
    std::map<std::string, std::string> contents() const;
    void damage(const std::string& name, std::string bytes);
    void remove(const std::string& name);

  private:
    friend class MemoryFile;
    friend class MemoryFiles;
    struct Inode {
        std::string cached;
        std::string durable;
        std::set<std::size_t> dirty; ///< sectors of cached that durable does not have
        void mark(std::size_t begin, std::size_t end);
        void settle(const std::function<bool()>& survives);
        std::string on_disk() const;
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    Result<void> attempt(Operation operation, const std::string& what);
    std::uint64_t bytes_used() const;
    void rename_now(Names names); ///< durable only after sync_names()

    Names names_;
    std::vector<Names> history_ = {Names()}; ///< durable ones first, then as they were since
    std::map<Operation, std::uint64_t> failing_;
    std::optional<std::uint64_t> capacity_bytes_;
    bool locked_ = false;
};

} // namespace holdfast
