#pragma once

// Routes: which handler answers which method and path. The table in routes.cc is the list of what
// payment-api can do.

#include "api/admission.h"
#include "api/handlers.h"

#include <string_view>
#include <vector>

namespace holdfast::api {

enum class Method : std::uint8_t { Get, Post, Delete };

std::string_view to_string(Method method); ///< as in a request

struct Route {
    Method method;
    std::string_view pattern; ///< {} stands for one segment
    Handler handler;
    Urgency urgency;
    bool publishable = false; ///< a publishable key may call it
    bool stands_in = false;   ///< answered without the database, too
};

struct Match {
    const Route* route = nullptr;      ///< null: no such path
    std::vector<std::string> path_ids; ///< percent-decoded by the caller before matching
    bool other_method = false;         ///< the path exists, with another method
};

Match match_route(std::string_view method, std::string_view path);

/// The whole table, for the generated reference and for tests that try every endpoint.
std::vector<Route> all_routes();

} // namespace holdfast::api
