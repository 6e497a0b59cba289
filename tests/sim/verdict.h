#pragma once

// The verdict: what the clients were told, the ledger and the acquirer's books must agree to the
// cent. Adds a line to `findings` for everything that does not fit.

#include "client.h"

#include "gateway/books.h"
#include "store/model_store.h"

namespace holdfast::sim {

void examine(const store::ModelStore& store, const gateway::Books& books,
             const std::vector<std::unique_ptr<Client>>& clients,
             std::vector<std::string>& findings);

} // namespace holdfast::sim
