# fish completion of sluicectl: which words there are, sluicectl says itself (sluicectl/completion.h).

function __sluicectl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :directories
                __fish_complete_directories "$current" ''
            case '*'
                echo $line
        end
    end
end

complete -c sluicectl -f -k -a '(__sluicectl_complete)'
