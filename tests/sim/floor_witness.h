#pragma once

// FloorWitness: looks at what all instances together have accepted without the issuer's word.
//
// What an instance answers `processing` to, while its command log has no outcome of it and the
// acquirer has certainly not heard of it, is accepted under the merchant's floor limits. It counts
// until its log says otherwise, whoever lives, dies or is cut off meanwhile; its sum must never be
// more than a limit, whatever shares and leases do.

#include "node.h"
#include "witness.h"

#include "core/parties.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::sim {

class FloorWitness {
  public:
    FloorWitness(const std::vector<core::Account>& accounts,
                 const std::vector<std::unique_ptr<Node>>& nodes, const Witness& acquirer)
        : accounts_(accounts), nodes_(nodes), acquirer_(acquirer) {}

    /// What an instance is about to answer.
    void hear(int node, const processor::Outcome& outcome);

    const std::vector<std::string>& findings() const { return findings_; }
    /// How many payments were accepted so: a witness who sees nothing proves nothing.
    std::uint64_t accepted() const { return seen_; }

  private:
    using StepOf = std::pair<int, processor::StepNumber>; ///< in the log of that node

    std::optional<core::Operation> unauthorized(const processor::LoggedStep& step) const;
    std::map<StepOf, core::Operation> unauthorized() const;
    void add_up(const std::map<StepOf, core::Operation>& accepted);
    void compare(const std::string& what, std::int64_t open_minor, std::int64_t limit_minor);

    const std::vector<core::Account>& accounts_;
    const std::vector<std::unique_ptr<Node>>& nodes_;
    const Witness& acquirer_;
    std::set<StepOf> accepted_;
    std::uint64_t seen_ = 0;
    std::vector<std::string> findings_;
};

} // namespace holdfast::sim
