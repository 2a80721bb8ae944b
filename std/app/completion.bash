# Completes the flags, commands and values of kcptun-client in bash 3.2 and newer. Usage:
#   eval "$(kcptun-client completion bash)"

_kcptun_complete() {
    # Bash also splits words at = and :, which belong to them here.
    local rest="${COMP_LINE:0:COMP_POINT}" words=() n=0 i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if [[ i -gt 0 && $rest == [[:space:]]* ]]; then
            n=$((n + 1))
        fi
        words[n]+="${COMP_WORDS[i]}"
        rest="${rest#*"${COMP_WORDS[i]}"}"
    done
    local word="${words[n]-}" last="${COMP_WORDS[COMP_CWORD]}"
    if [[ $last == [=:]* && $last != "$word" ]]; then
        last=
    fi

    # The program prints what may come next, each with its meaning after a colon.
    local ask=("${words[0]/#\~/$HOME}" "${words[@]:1:n-1}") line listed=()
    if [[ $word == -* ]]; then
        ask+=("$word")
    fi
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -n $line && ${line%%:*} == "$word"* ]]; then
            line="${line#"${word%"$last"}"}" # bash replaces only the last part
            COMPREPLY+=("${line%%:*}")
            listed+=("${line/:/  -- }")
        fi
    done <<<"$("${ask[@]}" --generate-shell-completion 2>/dev/null)"
    if [[ ${COMP_TYPE-} == 63 && ${#listed[@]} -gt 1 ]]; then # they are only shown
        COMPREPLY=("${listed[@]}")
    fi
}

# If there are none, names of files are completed.
complete -o bashdefault -o default -F _kcptun_complete kcptun-client
