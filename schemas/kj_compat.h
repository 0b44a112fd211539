// Included before everything else where Cap'n Proto is used. kj 0.9 leaves `"text" == StringPtr` to
// C++20's rewritten operators, which clang 16 and later does not do where there is a != as well
// (P2468).
#pragma once

#include <kj/string.h>

#if defined(__clang__)
namespace kj {
inline bool operator==(const char* a, const StringPtr& b) { return StringPtr(a) == b; }
inline bool operator!=(const char* a, const StringPtr& b) { return StringPtr(a) != b; }
}  // namespace kj
#endif
