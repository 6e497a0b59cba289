#pragma once

// Damage: what PostgreSQL says when data that it has stored can't be read back as it was written.
//
//   XX001  a page whose checksum is wrong, a file that is too short, a lost part of a value
//   XX002  an index that contradicts itself
//   58030  a block that the disk does not give (an input error)
//
// That is a fact about the rows that were asked for and not about the server: whoever meets it must
// neither wait for the server nor leave it. Source: PostgreSQL 15 documentation, appendix A.

#include "base/result.h"

namespace holdfast {

inline bool is_damage(const Error& error) {
    return error.sqlstate == "XX001" || error.sqlstate == "XX002" || error.sqlstate == "58030";
}

} // namespace holdfast
