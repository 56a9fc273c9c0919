// Proof that code does not allocate: linked into a test, it replaces operator new, which aborts while an
// object of this type lives.
#pragma once

namespace sluice::test {

class ForbidAllocation {
 public:
  ForbidAllocation();
  ~ForbidAllocation();
  ForbidAllocation(const ForbidAllocation&) = delete;
};

}  // namespace sluice::test
