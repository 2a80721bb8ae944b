#compdef kcptun-client
# Completes the flags, commands and values of kcptun-client in zsh. Usage:
#   source <(kcptun-client completion zsh)
compdef _kcptun-client kcptun-client

_kcptun-client() {
    # The program prints what may come next, each with its meaning after a colon.
    local -a ask opts
    ask=("${words[1]/#\~/$HOME}" "${(@)words[2,CURRENT-1]}")
    if [[ "${words[CURRENT]}" == -* ]]; then
        ask+=("${words[CURRENT]}")
    fi
    opts=("${(@f)$("${ask[@]}" --generate-shell-completion 2>/dev/null)}")
    if [[ -n "${opts[1]}" ]]; then
        _describe 'values' opts
        return
    fi

    # If that is nothing, names of files are completed, in --log=FILE behind the sign.
    compset -P '-*='
    _files
}

# As a file of a folder in fpath, this is the body of the function.
if [[ "${funcstack[1]}" == _kcptun-client ]]; then
    _kcptun-client "$@"
fi
