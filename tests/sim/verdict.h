#pragma once

// The verdict: what the clients were told, the ledger and the acquirer's books must agree to the
// cent. Adds a line to `findings` for everything that does not fit.

#include "client.h"

#include "core/identity.h"
#include "gateway/books.h"
#include "store/model_store.h"

namespace holdfast::sim {

struct Evidence {
    const store::ModelStore& store;
    const gateway::Books& books;
    const core::Identity& identity;
};

void examine(Evidence evidence, const std::vector<std::unique_ptr<Client>>& clients,
             std::vector<std::string>& findings);

} // namespace holdfast::sim
