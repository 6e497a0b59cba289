#include "base/secret.h"

#include <openssl/crypto.h>

namespace holdfast {

bool constant_time_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(void* data, std::size_t size) { OPENSSL_cleanse(data, size); }

} // namespace holdfast
