#pragma once

// expand[]: replaces ids in an answer by the objects they name, up to four levels deep, on reads
// and writes alike. One mechanism for all: an answer is always an object plus an ExpandTree, and
// Presenter loads what the tree asks for and renders inside out.
//
// Limits: depth 4, 20 paths; an unknown path is a 400. Source: docs.stripe.com/expand.

#include "api/render.h"
#include "net/deadline.h"
#include "net/task.h"
#include "processor/processor.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::api {

using net::Deadline;
using net::Task;

inline constexpr std::size_t expand_depth_max = 4;
inline constexpr std::size_t expand_paths_max = 20;

struct ExpandTree {
    std::map<std::string, ExpandTree, std::less<>> children;
    bool empty() const { return children.empty(); }
};

/// Checks the paths against what `kind` can expand. For lists every path starts with "data.".
Result<ExpandTree> parse_expand(core::ObjectKind kind, const std::vector<std::string>& paths,
                                bool list);

class Presenter {
  public:
    Presenter(store::Reads& store, const processor::Processor& processor,
              const core::Identity& identity)
        : store_(store), processor_(processor), identity_(identity) {}

    /// The JSON of `object` with everything in `expand` filled in. `account` outlives the call.
    Task<std::string> present(Object object, ExpandTree expand, const core::Account& account,
                              WallTime now, Deadline deadline);

    /// An object by kind and id, or empty.
    Task<std::optional<Object>> load(core::ObjectKind kind, Id<core::Account> account, Uuid id,
                                     Deadline deadline);

  private:
    Task<std::string> sublist(const core::Charge& charge, const core::Account& account,
                              WallTime now, Deadline deadline);
    store::Reads& store_;
    const processor::Processor& processor_;
    const core::Identity& identity_;
};

/// The object inside a snapshot.
Result<Object> object_of(const core::Snapshot& snapshot);
core::ObjectKind kind_of(const Object& object);

} // namespace holdfast::api
