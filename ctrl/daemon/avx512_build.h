// The same program compiled for AVX-512, which packages bring beside this one: a known packet takes 5 to 9 %
// less time there (docs/decisions/0070-two-programs-in-packages.md).
#pragma once

namespace sluice::ctrl {

/// Goes on as that program, with these arguments, where the CPU has AVX-512 F, BW, CD, DQ and VL and
/// `../libexec/sluice/avx512/sluiced`, from this program's folder, can be executed. Else it returns, as it
/// does in that program. Call it first in main(): nothing that is open may be lost.
void become_avx512_build(char** argv);

}  // namespace sluice::ctrl
