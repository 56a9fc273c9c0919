# bash completion of sluicectl: which words there are, sluicectl says itself (sluicectl/completion.h).

_sluicectl() {
  local line=${COMP_LINE:0:COMP_POINT} words word value cut
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  # What stands before the program: assignments, or sudo.
  while ((${#words[@]} > 1)) && [[ ${words[0]##*/} != "${1##*/}" ]]; do words=("${words[@]:1}"); done

  value=${words[-1]}
  [[ $value == --*=* ]] && value=${value#*=}
  # Readline replaces what is behind the last of the characters at which it breaks words.
  cut=${words[-1]%"${words[-1]##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    case $word in
      :files | :directories)
        compopt -o filenames
        local -a options=(-f)
        [[ $word == :directories ]] && options=(-d)
        while read -r word; do COMPREPLY+=("$word"); done < <(compgen "${options[@]}" -- "$value")
        ;;
      *) COMPREPLY+=("${word#"$cut"}") ;;
    esac
  done < <("$1" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _sluicectl sluicectl
