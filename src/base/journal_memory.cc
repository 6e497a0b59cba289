#include "base/journal_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace holdfast {

class MemoryFile final : public JournalFile {
  public:
    MemoryFile(MemoryDisk& disk, std::string name, std::shared_ptr<MemoryDisk::Inode> inode)
        : disk_(disk), name_(std::move(name)), inode_(std::move(inode)) {}

    Result<void> write(std::uint64_t offset, std::string_view bytes) override {
        CHECK(offset + bytes.size() <= inode_->cached.size());
        const auto allowed = disk_.attempt(MemoryDisk::Operation::Write, name_);
        if (!allowed) { // stops half-way, behind a whole sector
            const std::uint64_t end = (offset + bytes.size() / 2) / sector_bytes * sector_bytes;
            bytes = bytes.substr(0, std::max(end, offset) - offset);
        }
        bytes.copy(inode_->cached.data() + offset, bytes.size());
        inode_->mark(offset, offset + bytes.size());
        return allowed;
    }
    Result<void> sync() override {
        const auto allowed = disk_.attempt(MemoryDisk::Operation::Sync, name_);
        inode_->settle([good = allowed.has_value()] { return good; });
        return allowed;
    }
    Result<void> cut(std::uint64_t bytes) override {
        CHECK(bytes <= inode_->cached.size());
        inode_->cached.resize(bytes);
        return sync();
    }

  private:
    MemoryDisk& disk_;
    std::string name_;
    std::shared_ptr<MemoryDisk::Inode> inode_;
};

class MemoryFiles final : public JournalFiles {
  public:
    explicit MemoryFiles(MemoryDisk& disk) : disk_(disk) {}

    Result<std::unique_ptr<Lock>> lock() override {
        if (disk_.locked_)
            return fail(ErrorClass::Conflict, "journal_in_use", "the journal is open already");
        return std::make_unique<MemoryLock>(disk_.locked_);
    }
    Result<std::vector<std::string>> names() override {
        std::vector<std::string> names;
        for (const auto& [name, inode] : disk_.names_) names.push_back(name);
        return names;
    }
    Result<std::string> read(const std::string& name, std::size_t bytes_max) override {
        TRY(auto inode, find(name));
        if (inode->cached.size() > bytes_max)
            return fail(ErrorClass::Io, "journal_io", name + " is too large");
        return inode->on_disk();
    }
    Result<std::unique_ptr<JournalFile>> create(const std::string& name,
                                                std::uint64_t bytes) override {
        TRY_VOID(disk_.attempt(MemoryDisk::Operation::Write, name));
        if (disk_.capacity_bytes_ && disk_.bytes_used() + bytes > *disk_.capacity_bytes_)
            return fail(ErrorClass::Overload, "journal_full", "no space left for " + name);
        auto inode = std::make_shared<MemoryDisk::Inode>();
        inode->cached.resize(bytes);
        inode->mark(0, bytes);
        auto names = disk_.names_;
        names[name] = inode;
        disk_.rename_now(std::move(names));
        return std::make_unique<MemoryFile>(disk_, name, std::move(inode));
    }
    Result<std::unique_ptr<JournalFile>> open(const std::string& name) override {
        TRY(auto inode, find(name));
        return std::make_unique<MemoryFile>(disk_, name, std::move(inode));
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        TRY(auto inode, find(from));
        auto names = disk_.names_;
        names.erase(from);
        names[to] = std::move(inode);
        disk_.rename_now(std::move(names));
        return {};
    }
    Result<void> remove(const std::string& name) override {
        TRY_VOID(find(name));
        auto names = disk_.names_;
        names.erase(name);
        disk_.rename_now(std::move(names));
        return {};
    }
    Result<void> sync_names() override {
        TRY_VOID(disk_.attempt(MemoryDisk::Operation::SyncNames, "the directory"));
        disk_.history_ = {disk_.names_};
        return {};
    }

  private:
    struct MemoryLock final : Lock {
        explicit MemoryLock(bool& locked) : locked_(locked) { locked_ = true; }
        ~MemoryLock() override { locked_ = false; }
        bool& locked_;
    };

    Result<std::shared_ptr<MemoryDisk::Inode>> find(const std::string& name) const {
        const auto found = disk_.names_.find(name);
        if (found == disk_.names_.end())
            return fail(ErrorClass::Io, "journal_io", "there is no " + name);
        return found->second;
    }

    MemoryDisk& disk_;
};

void MemoryDisk::Inode::mark(std::size_t begin, std::size_t end) {
    for (std::size_t sector = begin / sector_bytes; sector * sector_bytes < end; ++sector)
        dirty.insert(sector);
}

/// Writes the dirty sectors that survive; the others are as they were.
void MemoryDisk::Inode::settle(const std::function<bool()>& survives) {
    if (survives()) durable.resize(cached.size());
    for (const std::size_t sector : std::exchange(dirty, {})) {
        const std::size_t at = sector * sector_bytes;
        if (at >= cached.size() || at >= durable.size() || !survives()) continue;
        const std::size_t size = std::min({sector_bytes, cached.size() - at, durable.size() - at});
        cached.copy(durable.data() + at, size, at);
    }
}

/// What a read gets after clean pages were forgotten.
std::string MemoryDisk::Inode::on_disk() const {
    std::string bytes = durable;
    bytes.resize(cached.size());
    for (const std::size_t sector : dirty) {
        const std::size_t at = sector * sector_bytes;
        if (at < cached.size()) cached.copy(bytes.data() + at, sector_bytes, at);
    }
    return bytes;
}

std::unique_ptr<JournalFiles> MemoryDisk::mount() { return std::make_unique<MemoryFiles>(*this); }

void MemoryDisk::crash(Env& env) {
    names_ = history_[env.random_below(history_.size())];
    history_ = {names_};
    // Nothing of it, all of it, or about so many sectors of 256.
    const std::uint64_t share = env.random_below(3) * 128 ^ env.random_below(2) * 64;
    for (const auto& [name, inode] : names_) {
        inode->settle([&] { return env.random_below(256) < share; });
        inode->cached = inode->durable;
    }
}

void MemoryDisk::fail(Operation operation, std::uint64_t after) { failing_[operation] = after; }

std::map<std::string, std::string> MemoryDisk::contents() const {
    std::map<std::string, std::string> contents;
    for (const auto& [name, inode] : names_) contents[name] = inode->on_disk();
    return contents;
}

void MemoryDisk::damage(const std::string& name, std::string bytes) {
    auto& inode = *names_.try_emplace(name, std::make_shared<Inode>()).first->second;
    inode = {.cached = bytes, .durable = std::move(bytes)};
    history_ = {names_};
}

void MemoryDisk::remove(const std::string& name) {
    names_.erase(name);
    history_ = {names_};
}

Result<void> MemoryDisk::attempt(Operation operation, const std::string& what) {
    const auto planned = failing_.find(operation);
    if (planned == failing_.end() || planned->second-- > 0) return {};
    failing_.erase(planned);
    return holdfast::fail(ErrorClass::Io, "journal_io", "the disk failed on " + what);
}

std::uint64_t MemoryDisk::bytes_used() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, inode] : names_) bytes += inode->cached.size();
    return bytes;
}

void MemoryDisk::rename_now(Names names) {
    names_ = std::move(names);
    history_.push_back(names_);
}

} // namespace holdfast
