# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# completion.bash - verbs, options and job files for aolani-run in bash. The options come
# from --help itself, so that they are never out of date.
_aolani_run()
{
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' word
    local verbs="run check plan audit submit resume status logs stop report compare"
    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [ "$word" != -- ] || [ "$verb" = compare ] || { compopt -o default; return; }
        case " $verbs " in *" $word "*) verb=${verb:-$word} ;; esac
    done
    if [[ $cur == -* ]]; then
        local options
        options=$("${COMP_WORDS[0]}" "${verb:-run}" --help 2>/dev/null |
            grep -oE '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    compopt -o filenames
    case ${COMP_WORDS[COMP_CWORD-1]} in
    -p | --partition) mapfile -t COMPREPLY < <(compgen -W "$(sinfo -h -o %R 2>/dev/null)" -- "$cur")
        return ;;
    --draw) mapfile -t COMPREPLY < <(compgen -W "text svg" -- "$cur"); return ;;
    --topology) mapfile -t COMPREPLY < <(compgen -f -X '!*.xml' -- "$cur"; compgen -d -- "$cur")
        return ;;
    --sysfs) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    esac
    case $verb in
    report | compare | resume | status | logs | stop)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -f -X '!*.toml' -- "$cur"; compgen -d -- "$cur")
    [ -n "$verb" ] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$verbs" -- "$cur")
}
complete -F _aolani_run aolani-run
